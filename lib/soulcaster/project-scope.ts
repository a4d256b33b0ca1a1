import type { ClassifiedKey, Family } from './keys.js';
import { fieldOf, type Fields, type Text } from './text.js';

/** Ids that are tied to one project; what belongs to it without naming it is told by them. */
export interface ProjectFacts {
  readonly jobs: ReadonlySet<string>;
  readonly clusters: ReadonlySet<string>;
  readonly users: ReadonlySet<string>;
}

/** The same as JSON can hold it: of one key, of a part or of everything. */
export interface FactList {
  readonly jobs: readonly string[];
  readonly clusters: readonly string[];
  readonly users: readonly string[];
}

/** `owned`: the project's alone. `shared`: its user's, for all of the user's projects. */
export type Belonging = 'owned' | 'shared' | 'other';

const NOTHING: FactList = { jobs: [], clusters: [], users: [] };
const WANTED_FIELDS: ReadonlySet<Text> = new Set(['project_id', 'cluster_id', 'user_id']);

const NAMES_CLUSTER: ReadonlySet<Family> = new Set<Family>(['cluster', 'cluster-items', 'coding-plan']);

/** What of a key's value `factsOf` looks at: a caller need not read the rest of it. */
export function factsNeed(project: string, key: ClassifiedKey): 'fields' | 'members' | 'nothing' {
  if (key.family === 'user-projects') return 'members';
  if (key.family === 'job' || (key.family === 'project' && key.project === project)) return 'fields';
  return 'nothing';
}

/** The few fields that `factsOf` looks at, for hashes that come in pieces: together they are all it needs. */
export function factFields(fields: Fields): Fields {
  return fields.filter(([field]) => WANTED_FIELDS.has(field));
}

/**
 * What one key tells about a project, to be merged with what the others tell, in any order. `fields` are those of the
 * whole hash (see `factFields`), or null for a key of another type. `members` are those of a set; a set that comes in
 * pieces may be given piece by piece.
 */
export function factsOf(
  project: string,
  key: ClassifiedKey,
  fields: Fields | null,
  members: Iterable<Text> | null = null,
): FactList {
  if (NAMES_CLUSTER.has(key.family)) {
    return key.project === project ? { ...NOTHING, clusters: some(key.cluster) } : NOTHING;
  }
  if (key.family === 'project') {
    return key.project === project ? { ...NOTHING, users: some(fieldOf(fields ?? [], 'user_id')) } : NOTHING;
  }
  if (key.family === 'job' && fieldOf(fields ?? [], 'project_id') === project) {
    return { ...NOTHING, jobs: some(key.job), clusters: some(fieldOf(fields ?? [], 'cluster_id')) };
  }
  if (key.family === 'user-projects') {
    for (const member of members ?? []) if (member === project) return { ...NOTHING, users: some(key.user) };
  }
  return NOTHING;
}

/** All facts together; the same id may come more than once. */
export function mergeFacts(lists: Iterable<FactList>): ProjectFacts {
  const facts = { jobs: new Set<string>(), clusters: new Set<string>(), users: new Set<string>() };
  for (const { jobs, clusters, users } of lists) {
    for (const id of jobs) facts.jobs.add(id);
    for (const id of clusters) facts.clusters.add(id);
    for (const id of users) facts.users.add(id);
  }
  return facts;
}

/** Facts as JSON can hold them, each list in order: the same facts give the same text. */
export function listFacts({ jobs, clusters, users }: ProjectFacts): FactList {
  return { jobs: [...jobs].sort(), clusters: [...clusters].sort(), users: [...users].sort() };
}

/**
 * Whose a key is, seen from one project whose facts are complete. Keys from before there were projects, users' own
 * hashes and locks are `other`.
 */
export function belongs(project: string, facts: ProjectFacts, key: ClassifiedKey): Belonging {
  const { family } = key;
  if (family === 'cluster-lock') return 'other';
  if (family === 'job' || family === 'job-logs') return owned(facts.jobs, key.job);
  if (family === 'cluster-jobs') return owned(facts.clusters, key.cluster);
  if (family === 'user-projects') return key.user !== undefined && facts.users.has(key.user) ? 'shared' : 'other';
  return key.project === project ? 'owned' : 'other';
}

function owned(ids: ReadonlySet<string>, id: string | undefined): Belonging {
  return id !== undefined && ids.has(id) ? 'owned' : 'other';
}

function some(id: string | null | undefined): readonly string[] {
  return id === null || id === undefined || id === '' ? [] : [id];
}
