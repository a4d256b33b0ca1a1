import { factFields, factsNeed, factsOf, listFacts, mergeFacts } from '../soulcaster/project-scope.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { needsFacts } from '../soulcaster/selection.js';
import type { Fields, Text } from '../soulcaster/text.js';
import { endsRecord, keyOf, type RecordLine } from '../snapshot/record.js';
import type { Scope } from './model.js';
import { itemsIn, projectsOf, selectionOf } from './selected.js';

/** Ids that are tied to one project, or to its items that are restored. A type, not an interface: it is stored as JSON. */
export type StoredFacts = {
  project: string;
  jobs: string[];
  clusters: string[];
  users: string[];
  /** Names of keys `feedback:external:...`; of a scope of items alone. */
  externals: string[];
}[];

/** What lines of one record tell that decides which keys belong to a project. */
export type Piece = {
  readonly key: string;
  /** Those that name a project, a cluster or a user. */
  readonly fields: Fields;
  /** Members of a set that the scope names: projects, or items. */
  readonly members: readonly string[];
  readonly isEnd: boolean;
};

/** `usersByListAlone`: a user counts whose list has the project, and not the one that the project's hash names. */
export interface ScopeOptions {
  readonly usersByListAlone: boolean;
}

/** Reads from records what ties keys to the scope. */
export interface FactReader {
  pieceOf(key: ClassifiedKey, line: RecordLine): Piece;
  factsIn(piece: Piece): StoredFacts;
  /** Null for a piece that has nothing to tell: its name is not noted. */
  telling(piece: Piece | null): Piece | null;
}

export function factReader(scope: Scope, { usersByListAlone }: ScopeOptions): FactReader {
  const wanted = 'items' in scope ? itemNeed(scope) : projectNeed(scope);
  const factsIn = 'items' in scope ? itemFacts : projectFacts(projectsOf(scope), usersByListAlone);
  return {
    pieceOf(key, line) {
      const { need, names } = wanted(key);
      const fields = need === 'fields' && line.t === 'hash' ? factFields(line.v as Fields) : [];
      return {
        key: keyOf(line).toString('utf8'),
        fields,
        members: membersAmong(line, need, names),
        isEnd: endsRecord(line),
      };
    },
    factsIn: ({ key, fields, members }) => factsIn(classifyKey(key), key, fields, members),
    telling: (piece) => (piece === null || wanted(classifyKey(piece.key)).need === 'nothing' ? null : piece),
  };
}

interface Wanted {
  readonly need: 'fields' | 'members' | 'text' | 'name' | 'nothing';
  readonly names: ReadonlySet<string>;
}

const NO_NAMES: ReadonlySet<string> = new Set();
const UNWANTED: Wanted = { need: 'nothing', names: NO_NAMES };

function projectNeed(scope: Scope): (key: ClassifiedKey) => Wanted {
  if (!needsFacts(selectionOf(scope))) return () => UNWANTED;
  const projects = new Set(projectsOf(scope));
  return (key) => {
    const need = factsNeed(key.project ?? '', key);
    const isOurs = key.project === null || projects.has(key.project);
    if (need !== 'nothing') return isOurs ? { need, names: projects } : UNWANTED;
    return key.project !== null && isOurs ? { need: 'name', names: NO_NAMES } : UNWANTED;
  };
}

function itemNeed(scope: Scope): (key: ClassifiedKey) => Wanted {
  const items = new Map(projectsOf(scope).map((project) => [project, itemsIn(scope, project)]));
  return ({ family, project }) => {
    const names = project === null ? undefined : items.get(project);
    if (names === undefined) return UNWANTED;
    if (family === 'cluster-items') return { need: 'members', names };
    return family === 'feedback-external' ? { need: 'text', names } : UNWANTED;
  };
}

function membersAmong(line: RecordLine, need: Wanted['need'], names: ReadonlySet<string>): string[] {
  if (need === 'text') {
    return line.t === 'string' && endsRecord(line) && names.has(line.v as string) ? [line.v as string] : [];
  }
  if (need !== 'members' || line.t !== 'set') return [];
  return (line.v as readonly Text[]).filter((member) => typeof member === 'string' && names.has(member)) as string[];
}

export function joined(before: Piece | null, next: Piece): Piece {
  if (before === null) return next;
  return { ...next, fields: [...before.fields, ...next.fields], members: [...before.members, ...next.members] };
}

type FactsIn = (key: ClassifiedKey, name: string, fields: Fields, members: readonly string[]) => StoredFacts;

/** A key names its project, or a field of it does, or it lists projects. */
export function projectFacts(names: readonly string[], usersByListAlone: boolean): FactsIn {
  const projects = new Set(names);
  return (key, _, fields, members) => {
    const told = usersByListAlone && key.family === 'project' ? [] : fields;
    const named = key.project ?? told.find(([field]) => field === 'project_id')?.[1];
    return [...members, named].flatMap((project) => {
      if (typeof project !== 'string' || !projects.has(project)) return [];
      const { jobs, clusters, users } = factsOf(project, key, told, members);
      if (jobs.length + clusters.length + users.length === 0) return [];
      return [{ project, jobs: [...jobs], clusters: [...clusters], users: [...users], externals: [] }];
    });
  };
}

/** The clusters that an item is in, and the names of its external id. */
const itemFacts: FactsIn = ({ cluster, family, project }, name, _, members) => {
  if (members.length === 0 || project === null) return [];
  const none = { project, jobs: [], clusters: [], users: [], externals: [] };
  if (family === 'feedback-external') return [{ ...none, externals: [name] }];
  return cluster === undefined ? [] : [{ ...none, clusters: [cluster] }];
};

/** The same facts, once for each project and in order. */
export function mergeStored(facts: StoredFacts): StoredFacts {
  const byProject = new Map<string, StoredFacts>();
  for (const entry of facts) byProject.set(entry.project, [...(byProject.get(entry.project) ?? []), entry]);
  return [...byProject].map(([project, entries]) => {
    const { jobs, clusters, users } = listFacts(mergeFacts(entries));
    const externals = [...new Set(entries.flatMap((entry) => entry.externals))].sort();
    return { project, jobs: [...jobs], clusters: [...clusters], users: [...users], externals };
  });
}
