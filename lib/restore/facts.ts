import { factFields, factsNeed, factsOf, listFacts, mergeFacts } from '../soulcaster/project-scope.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { matchesGlob, needsFacts } from '../soulcaster/selection.js';
import type { Fields, Text } from '../soulcaster/text.js';
import { endsRecord, keyOf, startsRecord, type RecordLine } from '../snapshot/record.js';
import type { LineObserver } from '../snapshot/check-part.js';
import type { Scope } from './model.js';
import { itemsIn, projectsOf, selectionOf, isInVectors, namedKeys, possibleMatcher, type ScopeFacts } from './scope.js';

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
type Piece = {
  readonly key: string;
  /** Fields that name a project, a cluster or a user. */
  readonly fields: Fields;
  /** Members of a set that the scope names: projects or items. */
  readonly members: readonly string[];
  readonly isEnd: boolean;
};

/** `usersByListAlone`: users belong to a project by their own lists only, not by the project's hash. */
interface ScopeOptions {
  readonly usersByListAlone: boolean;
}

/** Reads the ids that tie keys to the scope from records. */
interface FactReader {
  pieceOf(key: ClassifiedKey, line: RecordLine): Piece;
  factsIn(piece: Piece): StoredFacts;
  /** Null for a piece without facts, so that its name is not stored. */
  withFacts(piece: Piece | null): Piece | null;
}

function factReader(scope: Scope, { usersByListAlone }: ScopeOptions): FactReader {
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

function joinPieces(before: Piece | null, next: Piece): Piece {
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

/** What one part of a snapshot holds of the scope. A type, not an interface: it is stored as JSON. */
export type ScopeFindings = {
  /** Whether the part may hold any key of the scope. */
  readonly touched: boolean;
  readonly facts: StoredFacts;
  /** Projects to lock and to inspect: restored projects, and projects of restored keys. */
  readonly projects: readonly string[];
  /** Projects with restored keys that go into vectors; `''` for keys from before there were projects. */
  readonly vectors: readonly string[];
  readonly found: Found;
  /** The beginning of the part, if it continues a record of an earlier part that may hold facts. */
  readonly head: Piece | null;
  /** The end of the part, if its last record continues in the next part and may hold facts. */
  readonly tail: Piece | null;
};

/** Which entries of the scope the snapshot holds, by their numbers. A type, not an interface: it is stored as JSON. */
type Found = { readonly keys: readonly number[]; readonly matches: readonly number[] };

interface ScopeObserver {
  readonly observe: LineObserver;
  findings(): ScopeFindings;
}

/** Collects the facts in a part that tie keys to the scope. `without`: first lines of records to skip. */
export function scopeObserver(
  scope: Scope,
  without: ReadonlySet<number>,
  options: ScopeOptions = { usersByListAlone: false },
): ScopeObserver {
  return 'all' in scope ? everythingObserver(without) : selectionObserver(scope, without, options);
}

function everythingObserver(without: ReadonlySet<number>): ScopeObserver {
  const projects = new Set<string>();
  return {
    observe(line, number) {
      if (!startsRecord(line) || without.has(number)) return;
      const key = classifyKey(keyOf(line).toString('utf8'));
      if (key.family === 'project' && key.project !== null) projects.add(key.project);
    },
    findings: () => ({ ...NOTHING, touched: true, projects: [...projects] }),
  };
}

const NOTHING: ScopeFindings = {
  touched: false,
  facts: [],
  projects: [],
  vectors: [],
  found: { keys: [], matches: [] },
  head: null,
  tail: null,
};

function selectionObserver(scope: Scope, without: ReadonlySet<number>, options: ScopeOptions): ScopeObserver {
  const reader = factReader(scope, options);
  const isPossible = possibleMatcher(scope);
  const entries = entryFinder(scope);
  const [facts, projects, vectors]: [StoredFacts, Set<string>, Set<string>] = [[], new Set(), new Set()];
  let touched = false;
  let head: Piece | null = null;
  let open: Piece | null = null;
  // Until a record begins in the part, lines belong to a record of an earlier part.
  let isHead = true;
  let isSkipped = false;

  return {
    observe(line, number) {
      if (startsRecord(line)) {
        [open, isHead, isSkipped] = [null, false, without.has(number)];
      }
      if (isSkipped) return;
      const bytes = keyOf(line);
      const key = classifyKey(bytes.toString('utf8'));
      if (!isHead && startsRecord(line) && isPossible(bytes, key) !== 'other') {
        touched = true;
        entries.add(bytes);
        if (key.project !== null) projects.add(key.project);
        if (isInVectors(key)) vectors.add(key.project ?? '');
      }
      open = joinPieces(open, reader.pieceOf(key, line));
      if (isHead) head = open;
      else if (open.isEnd) facts.push(...reader.factsIn(open));
    },
    findings: () => ({
      touched,
      facts: mergeStored(facts),
      projects: [...projects],
      vectors: [...vectors],
      found: entries.found(),
      head: reader.withFacts(head),
      tail: isHead || open === null || open.isEnd ? null : reader.withFacts(open),
    }),
  };
}

/** Records which keys and patterns of the scope the snapshot holds. */
function entryFinder(scope: Scope): { readonly add: (key: Buffer) => void; readonly found: () => Found } {
  const numbers = new Map(namedKeys(scope).map((key, at) => [key.toString('latin1'), at]));
  const patterns = selectionOf(scope).matches.map((pattern) => Buffer.from(pattern));
  const [keys, matches] = [new Set<number>(), new Set<number>()];
  return {
    add(key) {
      const number = numbers.size === 0 ? undefined : numbers.get(key.toString('latin1'));
      if (number !== undefined) keys.add(number);
      for (const [at, pattern] of patterns.entries())
        if (!matches.has(at) && matchesGlob(pattern, key)) matches.add(at);
    },
    found: () => ({ keys: [...keys], matches: [...matches] }),
  };
}

/** Joins records that continue across parts. A record whose beginning was skipped has no tail to start from. */
function* factsAcross(reader: FactReader, findings: readonly ScopeFindings[]): Generator<StoredFacts> {
  let open: Piece | null = null;
  for (const { head, tail } of findings) {
    open = open === null || head === null ? null : joinPieces(open, head);
    if (open?.isEnd === true) yield reader.factsIn(open);
    if (open?.isEnd === true || tail !== null) open = tail;
  }
}

/** Merges the findings of all parts, which are in order. */
export function mergeFindings(
  scope: Scope,
  findings: readonly ScopeFindings[],
  options: ScopeOptions = { usersByListAlone: false },
): Pick<ScopeFindings, 'facts' | 'found'> & { projects: string[]; vectors: string[] } {
  const named = projectsOf(scope);
  const across = 'all' in scope ? [] : [...factsAcross(factReader(scope, options), findings)];
  const all = <T>(of: (found: ScopeFindings) => readonly T[]): T[] => [...new Set(findings.flatMap(of))].sort();
  return {
    facts: mergeStored([...findings.flatMap(({ facts }) => facts), ...across.flat()]),
    projects: named.length > 0 ? [...named].sort() : all(({ projects }) => projects),
    vectors: all(({ vectors }) => vectors),
    found: { keys: all(({ found }) => found.keys), matches: all(({ found }) => found.matches) },
  };
}

/** Facts of every project of the scope; empty for a project of which nothing is known. */
export function asFacts(scope: Scope, stored: StoredFacts): ScopeFacts {
  const projects = projectsOf(scope);
  const known = new Map(stored.map((entry) => [entry.project, entry]));
  const byProject = projects.map((project) => {
    const { clusters = [], jobs = [], users = [] } = known.get(project) ?? {};
    return [project, { jobs: new Set(jobs), clusters: new Set(clusters), users: new Set(users) }] as const;
  });
  return { byProject: new Map(byProject), externals: new Set(stored.flatMap(({ externals }) => externals)) };
}
