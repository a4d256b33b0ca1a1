import type { AppError } from '../errors.js';
import { isOfOneSnapshot, type OpenSnapshot } from '../inspect/open.js';
import { partsWith, recordsOf, type KeyRecord } from '../inspect/records.js';
import type { RecordLine } from '../snapshot/record.js';
import { buildKey } from '../soulcaster/keys.js';
import { fieldOf, type Fields, type Text } from '../soulcaster/text.js';

/** Why a project of a user's list is kept: it may belong to another user as well. */
export type KeepReason = 'another-owner' | 'in-another-list' | 'no-record';

export interface OwnedProjects {
  /** Projects that belong to the user alone, sorted. */
  readonly own: readonly string[];
  /** Projects in the user's list, or whose record names the user, that are kept. */
  readonly others: readonly { readonly project: string; readonly why: KeepReason }[];
}

/** One snapshot cannot be read; others may be readable. */
export class UnreadableSnapshot extends Error {
  constructor(
    readonly id: string,
    override readonly cause: AppError,
  ) {
    super(cause.message, { cause });
  }
}

/** Runs work that reads one snapshot; throws `UnreadableSnapshot` for an error that concerns this snapshot only. */
export async function readingSnapshot<T>({ manifest }: OpenSnapshot, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isOfOneSnapshot(error) ? new UnreadableSnapshot(manifest.id, error) : error;
  }
}

/**
 * Finds the projects that belong to a user alone: the record (`project:{id}`) names the user in every snapshot that has one, and no
 * other user's list contains the project in `newest`, the newest snapshot with data of the user, which is read whole. Others are kept.
 */
export async function ownedProjects(
  user: string,
  snapshots: readonly OpenSnapshot[],
  newest: OpenSnapshot | null,
): Promise<OwnedProjects> {
  const list = buildKey('user-projects', { user });
  const candidates = new Set<string>();
  const owners = new Map<string, Set<string>>();
  const listedElsewhere = new Set<string>();
  const noteOwner = (project: string, owner: string): void => {
    owners.set(project, (owners.get(project) ?? new Set()).add(owner));
    if (owner === user) candidates.add(project);
  };
  const lists: { readonly owner: string; readonly members: readonly string[] }[] = [];
  if (newest !== null) {
    await readingSnapshot(newest, async () => {
      for await (const record of recordsOf(newest)) {
        const { family, project, user: owner } = record.known;
        if (family === 'project' && project !== null) noteOwner(project, await ownerIn(record));
        if (family === 'user-projects' && owner !== undefined) lists.push({ owner, members: await membersIn(record) });
      }
    });
  }
  for (const snapshot of snapshots) {
    await readingSnapshot(snapshot, async () => {
      for await (const record of recordsNamed(snapshot, [list])) {
        for (const member of await membersIn(record)) candidates.add(member);
      }
    });
  }
  const hashes = [...candidates].map((project) => buildKey('project', { project }));
  for (const snapshot of hashes.length === 0 ? [] : snapshots) {
    await readingSnapshot(snapshot, async () => {
      for await (const record of recordsNamed(snapshot, hashes)) {
        if (record.known.project !== null) noteOwner(record.known.project, await ownerIn(record));
      }
    });
  }
  for (const { owner, members } of lists) if (owner !== user) for (const each of members) listedElsewhere.add(each);
  const keepReasonOf = (project: string): KeepReason | null => {
    const known = owners.get(project);
    if (known === undefined) return 'no-record';
    if (known.size > 1 || !known.has(user)) return 'another-owner';
    return listedElsewhere.has(project) ? 'in-another-list' : null;
  };
  const all = [...candidates].sort().map((project) => ({ project, why: keepReasonOf(project) }));
  return {
    own: all.filter(({ why }) => why === null).map(({ project }) => project),
    others: all.flatMap(({ project, why }) => (why === null ? [] : [{ project, why }])),
  };
}

/** The records of some keys, read from the parts that the index gives. */
async function* recordsNamed(snapshot: OpenSnapshot, keys: readonly string[]): AsyncGenerator<KeyRecord> {
  const wanted = new Set(keys);
  for await (const record of recordsOf(snapshot, await partsWith(snapshot, keys))) {
    if (wanted.has(record.key.toString('utf8'))) yield record;
  }
}

async function ownerIn(record: KeyRecord): Promise<string> {
  for await (const { t, v } of linesOf(record)) {
    const owner = t === 'hash' ? fieldOf(v as Fields, 'user_id') : null;
    if (typeof owner === 'string') return owner;
  }
  return '';
}

async function membersIn(record: KeyRecord): Promise<string[]> {
  const members: string[] = [];
  for await (const { t, v } of linesOf(record)) {
    if (t === 'set') members.push(...(v as readonly Text[]).filter((member) => typeof member === 'string'));
  }
  return members;
}

async function* linesOf({ first, rest }: KeyRecord): AsyncGenerator<RecordLine> {
  yield first;
  yield* rest ?? [];
}
