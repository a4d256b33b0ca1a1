import type { ClassifiedKey } from '../soulcaster/keys.js';
import type { ErasedIds } from '../snapshot/erasures.js';
import type { RecordLine } from '../snapshot/record.js';
import type { SourceRecord } from '../snapshot/source-records.js';
import type { Text } from '../snapshot/text.js';
import type { StoredFacts } from './facts.js';
import type { Scope } from './model.js';

/** Whose data a restore leaves out, and what the snapshot ties to them. A type, not an interface: it is stored as JSON. */
export type Erased = ErasedIds & { readonly facts: StoredFacts };

/** Which keys of the snapshot are left out, and what of the others. */
export interface ErasedKeys {
  has(known: ClassifiedKey): boolean;
  /** Whether a key is a list that may hold projects that are left out. */
  mayList(known: ClassifiedKey): boolean;
  /** A line of such a list without them. */
  without(line: RecordLine): RecordLine;
}

/** The projects as a scope: what is tied to them is found as for a restore of them. Null when there are none. */
export function erasedScope({ projects }: ErasedIds): Scope | null {
  return projects.length === 0 ? null : { projects: [...projects], families: [], matches: [], keys: [] };
}

/**
 * Of a user: `user:{id}` and `user:projects:{id}`. Of a project: what a restore of it would bring back, and its place in the
 * lists of users, which lose nothing else.
 */
export function erasedKeys({ facts, projects, users }: Erased): ErasedKeys {
  const [gone, goneUsers] = [new Set<Text>(projects), new Set(users)];
  const jobs = new Set(facts.flatMap((entry) => entry.jobs));
  const clusters = new Set(facts.flatMap((entry) => entry.clusters));
  return {
    has({ cluster = '', family, job = '', project, user = '' }) {
      if (family === 'user' || family === 'user-projects') return goneUsers.has(user);
      if (family === 'job' || family === 'job-logs') return jobs.has(job);
      if (family === 'cluster-jobs') return clusters.has(cluster);
      return project !== null && gone.has(project);
    },
    mayList: ({ family }) => family === 'user-projects' && gone.size > 0,
    without(line) {
      if (line.t !== 'set') return line;
      const members = line.v as readonly Text[];
      const left = members.filter((member) => !gone.has(member));
      return left.length === members.length ? line : { ...line, v: left };
    },
  };
}

/** A record without the erased projects in it; the same object where it has none. Whether one of a `rest` has any is not known before it is read. */
export function withoutErased(record: SourceRecord, erased: ErasedKeys): SourceRecord {
  const { first, rest } = record;
  const kept = erased.without(first);
  if (rest === null) return kept === first ? record : { first: kept, rest };
  return { first: kept, rest: linesWithout(rest, erased) };
}

async function* linesWithout(lines: AsyncIterable<RecordLine>, erased: ErasedKeys): AsyncGenerator<RecordLine> {
  for await (const line of lines) yield erased.without(line);
}
