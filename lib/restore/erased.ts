import type { ClassifiedKey } from '../soulcaster/keys.js';
import type { ErasedIds } from '../snapshot/erasures.js';
import type { RecordLine } from '../snapshot/record.js';
import type { SourceRecord } from '../snapshot/source-records.js';
import type { Text } from '../soulcaster/text.js';
import type { StoredFacts } from './facts.js';
import type { Scope } from './model.js';

/**
 * Users and projects whose data a restore leaves out, and the ids that the snapshot ties to them. A type, not an
 * interface: it is stored as JSON.
 */
export type Erased = ErasedIds & { readonly facts: StoredFacts };

/** Which keys of the snapshot are left out, and which members of the other keys. */
export interface ErasedKeys {
  has(known: ClassifiedKey): boolean;
  /** Whether the key is a list that may name erased projects. */
  mayList(known: ClassifiedKey): boolean;
  /** The line of such a list without the erased projects. */
  without(line: RecordLine): RecordLine;
}

/** The erased projects as a scope: their keys are found as for a restore of them. Null when there are none. */
export function erasedScope({ projects }: ErasedIds): Scope | null {
  return projects.length === 0 ? null : { projects: [...projects], families: [], matches: [], keys: [] };
}

/**
 * For a user: `user:{id}` and `user:projects:{id}`. For a project: all keys that a restore of the project would write,
 * its jobs and clusters that the entry in the list knows, and its entry in the lists of users, which lose nothing else.
 */
export function erasedKeys({ clusters: knownClusters, facts, jobs: knownJobs, projects, users }: Erased): ErasedKeys {
  const [erasedProjects, erasedUsers] = [new Set<Text>(projects), new Set(users)];
  const jobs = new Set([...knownJobs, ...facts.flatMap((entry) => entry.jobs)]);
  const clusters = new Set([...knownClusters, ...facts.flatMap((entry) => entry.clusters)]);
  return {
    has({ cluster = '', family, job = '', project, user = '' }) {
      if (family === 'user' || family === 'user-projects') return erasedUsers.has(user);
      if (family === 'job' || family === 'job-logs') return jobs.has(job);
      if (family === 'cluster-jobs') return clusters.has(cluster);
      return project !== null && erasedProjects.has(project);
    },
    mayList: ({ family }) => family === 'user-projects' && erasedProjects.size > 0,
    without(line) {
      if (line.t !== 'set') return line;
      const members = line.v as readonly Text[];
      const left = members.filter((member) => !erasedProjects.has(member));
      return left.length === members.length ? line : { ...line, v: left };
    },
  };
}

/** The record without the erased projects; the same object if it names none. A `rest` is checked as it is read. */
export function withoutErased(record: SourceRecord, erased: ErasedKeys): SourceRecord {
  const { first, rest } = record;
  const kept = erased.without(first);
  if (rest === null) return kept === first ? record : { first: kept, rest };
  return { first: kept, rest: linesWithout(rest, erased) };
}

async function* linesWithout(lines: AsyncIterable<RecordLine>, erased: ErasedKeys): AsyncGenerator<RecordLine> {
  for await (const line of lines) yield erased.without(line);
}
