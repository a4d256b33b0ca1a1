import type { ClassifiedKey, Family } from './keys.js';
import { fieldOf, type Fields, type Text } from './text.js';

/** Ids tied to one project. They identify keys that belong to the project without naming it. */
export interface ProjectFacts {
  readonly jobs: ReadonlySet<string>;
  readonly clusters: ReadonlySet<string>;
  readonly users: ReadonlySet<string>;
}

/** Facts as JSON: of one key, of a part or of everything. */
export interface FactList {
  readonly jobs: readonly string[];
  readonly clusters: readonly string[];
  readonly users: readonly string[];
}

/** `owned`: belongs to the project alone. `shared`: belongs to its user, for all of the user's projects. */
export type Belonging = 'owned' | 'shared' | 'other';

const NO_FACTS: FactList = { jobs: [], clusters: [], users: [] };
const WANTED_FIELDS: ReadonlySet<Text> = new Set(['project_id', 'cluster_id', 'user_id']);

const NAMES_CLUSTER: ReadonlySet<Family> = new Set<Family>(['cluster', 'cluster-items', 'coding-plan']);

/** The part of a key's value that `factsOf` reads; a caller need not read the rest. */
export function factsNeed(project: string, key: ClassifiedKey): 'fields' | 'members' | 'nothing' {
  if (key.family === 'user-projects') return 'members';
  if (key.family === 'job' || (key.family === 'project' && key.project === project)) return 'fields';
  return 'nothing';
}

/** The few fields that `factsOf` reads, to be collected from a hash that is read in pieces. */
export function factFields(fields: Fields): Fields {
  return fields.filter(([field]) => WANTED_FIELDS.has(field));
}

/**
 * The facts about a project from one key, to be merged with those of the others in any order. `fields`: the fields of the
 * whole hash (see `factFields`), or null for a key of another type. `members`: the members of a set, which may be passed in
 * pieces.
 */
export function factsOf(
  project: string,
  key: ClassifiedKey,
  fields: Fields | null,
  members: Iterable<Text> | null = null,
): FactList {
  if (NAMES_CLUSTER.has(key.family)) {
    return key.project === project ? { ...NO_FACTS, clusters: toList(key.cluster) } : NO_FACTS;
  }
  if (key.family === 'project') {
    return key.project === project ? { ...NO_FACTS, users: toList(fieldOf(fields ?? [], 'user_id')) } : NO_FACTS;
  }
  if (key.family === 'job' && fieldOf(fields ?? [], 'project_id') === project) {
    return { ...NO_FACTS, jobs: toList(key.job), clusters: toList(fieldOf(fields ?? [], 'cluster_id')) };
  }
  if (key.family === 'user-projects') {
    for (const member of members ?? []) if (member === project) return { ...NO_FACTS, users: toList(key.user) };
  }
  return NO_FACTS;
}

/** Merges facts; the same id may occur more than once. */
export function mergeFacts(lists: Iterable<FactList>): ProjectFacts {
  const facts = { jobs: new Set<string>(), clusters: new Set<string>(), users: new Set<string>() };
  for (const { jobs, clusters, users } of lists) {
    for (const id of jobs) facts.jobs.add(id);
    for (const id of clusters) facts.clusters.add(id);
    for (const id of users) facts.users.add(id);
  }
  return facts;
}

/** Facts as JSON, each list sorted, so that equal facts give equal text. */
export function listFacts({ jobs, clusters, users }: ProjectFacts): FactList {
  return { jobs: [...jobs].sort(), clusters: [...clusters].sort(), users: [...users].sort() };
}

/**
 * Whether a key belongs to a project, given the complete facts of the project. Keys from before there were projects, users'
 * hashes and locks are `other`.
 */
export function belongingOf(project: string, facts: ProjectFacts, key: ClassifiedKey): Belonging {
  const { family } = key;
  if (family === 'cluster-lock') return 'other';
  if (family === 'job' || family === 'job-logs') return ownedIf(facts.jobs, key.job);
  if (family === 'cluster-jobs') return ownedIf(facts.clusters, key.cluster);
  if (family === 'user-projects') return key.user !== undefined && facts.users.has(key.user) ? 'shared' : 'other';
  return key.project === project ? 'owned' : 'other';
}

function ownedIf(ids: ReadonlySet<string>, id: string | undefined): Belonging {
  return id !== undefined && ids.has(id) ? 'owned' : 'other';
}

function toList(id: string | null | undefined): readonly string[] {
  return id === null || id === undefined || id === '' ? [] : [id];
}
