import { factFields, factsNeed, factsOf, listFacts, mergeFacts } from '../soulcaster/project-scope.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { needsFacts } from '../soulcaster/selection.js';
import type { Fields, Text } from '../soulcaster/text.js';
import { endsRecord, keyOf, type RecordLine } from '../snapshot/record.js';
import type { Scope } from './model.js';
import { itemsIn, projectsOf, selectionOf } from './selected.js';

/** Ids tied to one project, or to its restored items. A type, not an interface: it is stored as JSON. */
export type StoredFacts = {
  project: string;
  jobs: string[];
  clusters: string[];
  users: string[];
  /** Names of keys `feedback:external:...`; only for a scope of items. */
  externals: string[];
}[];

/** The content of one record's lines that decides which keys belong to a project. */
export type Piece = {
  readonly key: string;
  /** Fields that name a project, a cluster or a user. */
  readonly fields: Fields;
  /** Members of a set that the scope names: projects or items. */
  readonly members: readonly string[];
  readonly isEnd: boolean;
};

/** `usersByListAlone`: users belong to a project by their own lists only, not by the project's hash. */
export interface ScopeOptions {
  readonly usersByListAlone: boolean;
}

/** Reads the ids that tie keys to the scope from records. */
export interface FactReader {
  pieceOf(key: ClassifiedKey, line: RecordLine): Piece;
  factsIn(piece: Piece): StoredFacts;
  /** Null for a piece without facts, so that its name is not stored. */
  withFacts(piece: Piece | null): Piece | null;
}

export function factReader(scope: Scope, { usersByListAlone }: ScopeOptions): FactReader {
  const wanted = 'items' in scope ? wantedOfItems(scope) : wantedOfProjects(scope);
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
    withFacts: (piece) => (piece === null || wanted(classifyKey(piece.key)).need === 'nothing' ? null : piece),
  };
}

interface Wanted {
  readonly need: 'fields' | 'members' | 'text' | 'name' | 'nothing';
  readonly names: ReadonlySet<string>;
}

const NO_NAMES: ReadonlySet<string> = new Set();
const UNNEEDED: Wanted = { need: 'nothing', names: NO_NAMES };

function wantedOfProjects(scope: Scope): (key: ClassifiedKey) => Wanted {
  if (!needsFacts(selectionOf(scope))) return () => UNNEEDED;
  const projects = new Set(projectsOf(scope));
  return (key) => {
    const need = factsNeed(key.project ?? '', key);
    const isOfScope = key.project === null || projects.has(key.project);
    if (need !== 'nothing') return isOfScope ? { need, names: projects } : UNNEEDED;
    return key.project !== null && isOfScope ? { need: 'name', names: NO_NAMES } : UNNEEDED;
  };
}

function wantedOfItems(scope: Scope): (key: ClassifiedKey) => Wanted {
  const items = new Map(projectsOf(scope).map((project) => [project, itemsIn(scope, project)]));
  return ({ family, project }) => {
    const names = project === null ? undefined : items.get(project);
    if (names === undefined) return UNNEEDED;
    if (family === 'cluster-items') return { need: 'members', names };
    return family === 'feedback-external' ? { need: 'text', names } : UNNEEDED;
  };
}

function membersAmong(line: RecordLine, need: Wanted['need'], names: ReadonlySet<string>): string[] {
  if (need === 'text') {
    return line.t === 'string' && endsRecord(line) && names.has(line.v as string) ? [line.v as string] : [];
  }
  if (need !== 'members' || line.t !== 'set') return [];
  return (line.v as readonly Text[]).filter((member) => typeof member === 'string' && names.has(member)) as string[];
}

export function joinPieces(before: Piece | null, next: Piece): Piece {
  if (before === null) return next;
  return { ...next, fields: [...before.fields, ...next.fields], members: [...before.members, ...next.members] };
}

type FactsIn = (key: ClassifiedKey, name: string, fields: Fields, members: readonly string[]) => StoredFacts;

/** A key belongs to a project by its name, by a field, or as a list of projects. */
export function projectFacts(names: readonly string[], usersByListAlone: boolean): FactsIn {
  const projects = new Set(names);
  return (key, _, fields, members) => {
    const linking = usersByListAlone && key.family === 'project' ? [] : fields;
    const named = key.project ?? linking.find(([field]) => field === 'project_id')?.[1];
    return [...members, named].flatMap((project) => {
      if (typeof project !== 'string' || !projects.has(project)) return [];
      const { jobs, clusters, users } = factsOf(project, key, linking, members);
      if (jobs.length + clusters.length + users.length === 0) return [];
      return [{ project, jobs: [...jobs], clusters: [...clusters], users: [...users], externals: [] }];
    });
  };
}

/** The clusters that hold an item, and the names of its external id's key. */
const itemFacts: FactsIn = ({ cluster, family, project }, name, _, members) => {
  if (members.length === 0 || project === null) return [];
  const none = { project, jobs: [], clusters: [], users: [], externals: [] };
  if (family === 'feedback-external') return [{ ...none, externals: [name] }];
  return cluster === undefined ? [] : [{ ...none, clusters: [cluster] }];
};

/** The same facts, merged by project and sorted. */
export function mergeStored(facts: StoredFacts): StoredFacts {
  const byProject = new Map<string, StoredFacts>();
  for (const entry of facts) byProject.set(entry.project, [...(byProject.get(entry.project) ?? []), entry]);
  return [...byProject].map(([project, entries]) => {
    const { jobs, clusters, users } = listFacts(mergeFacts(entries));
    const externals = [...new Set(entries.flatMap((entry) => entry.externals))].sort();
    return { project, jobs: [...jobs], clusters: [...clusters], users: [...users], externals };
  });
}
