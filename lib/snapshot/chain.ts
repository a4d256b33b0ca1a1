import { z } from 'zod';
import { parseStored } from '../json.js';
import type { ObjectStore, Signer } from '../ports/index.js';
import { isId } from '../runs/ids.js';
import { runsOf } from '../runs/recent.js';
import { refusalIn, snapshotIds } from './catalog.js';
import type { Finding } from './check-part.js';
import { sha256 } from './manifest.js';
import { manifestName } from './names.js';
import { readTombstones, type Tombstone } from './tombstone.js';

/** The result of a run that has written a manifest. */
const finishedRun = z.object({ manifestSha256: z.string() });

const linkSchema = z.object({ previous: z.object({ id: z.string(), sha256: z.string() }).nullable() });

const RUNS = 'runs/';

/** A snapshot that exists or was removed on purpose: the hash of its manifest, and the link to the previous snapshot. */
interface Member {
  readonly id: string;
  /** Null where the store refuses to return the manifest. */
  readonly sha256: string | null;
  readonly link: Link | 'unreadable' | { readonly refused: string };
  readonly removed: boolean;
}

/**
 * Checks the chain of all snapshots, oldest first. Each snapshot names the previous one and the hash of its manifest, so a
 * deleted or altered snapshot is detected by the next one that exists, and by the record of the run that took it while that
 * is kept. A snapshot that retention removed is represented by its tombstone.
 */
export async function checkChain(ports: { readonly store: ObjectStore; readonly signer: Signer }): Promise<Finding[]> {
  // Tombstones are read last: a removal writes the tombstone before it deletes the manifest.
  const present = await readMembers(ports.store);
  const tombstones = await readTombstones(ports);
  const members = mergeRemoved(present, tombstones);
  const seen = new Map<string, Member>();
  const findings: Finding[] = [];
  for (const member of members) {
    seen.set(member.id, member);
    const finding = checkLink(member, seen);
    if (finding !== null && !findings.some((other) => isSame(other, finding))) findings.push(finding);
  }
  for (const finding of await findMissingOfRuns(ports.store, seen)) {
    if (!findings.some((other) => isSame(other, finding))) findings.push(finding);
  }
  return findings;
}

async function readMembers(store: ObjectStore): Promise<Member[]> {
  const members: Member[] = [];
  for (const id of await snapshotIds(store)) {
    const member = await readMember(store, id);
    if (member !== null) members.push(member);
  }
  return members;
}

async function readMember(store: ObjectStore, id: string): Promise<Member | null> {
  try {
    const found = await store.read(manifestName(id));
    return found === null ? null : { id, sha256: sha256(found.body), link: readLink(found.body), removed: false };
  } catch (error) {
    const refusal = refusalIn(error);
    if (refusal === null) throw error;
    return { id, sha256: null, link: { refused: refusal.message }, removed: false };
  }
}

/** All members of the chain, oldest first. */
function mergeRemoved(present: readonly Member[], tombstones: ReadonlyMap<string, Tombstone>): Member[] {
  const members = new Map<string, Member>();
  for (const { id, manifestSha256, previous } of tombstones.values()) {
    members.set(id, { id, sha256: manifestSha256, link: previous, removed: true });
  }
  for (const member of present) members.set(member.id, member);
  return [...members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * Finds snapshots that a run has taken and that are gone without a tombstone. The links alone do not show that the newest
 * snapshots were deleted once another was taken: it links to the newest one that was left.
 */
async function findMissingOfRuns(store: ObjectStore, members: ReadonlyMap<string, Member>): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const id of store.folders(RUNS)) {
    if (!isId(id) || members.has(id) || !(await wroteManifest(store, id))) continue;
    findings.push({
      code: 'snapshot-missing',
      subject: id,
      detail: 'its manifest is gone; the run that took it succeeded',
    });
  }
  return findings;
}

async function wroteManifest(store: ObjectStore, run: string): Promise<boolean> {
  // Old records are removed one object at a time: a partial or unreadable record proves nothing.
  const [record] = await runsOf(store, [run]);
  return record?.kind === 'snapshot' && record.result !== null && finishedRun.safeParse(record.result).success;
}

function checkLink({ id, link }: Member, seen: ReadonlyMap<string, Member>): Finding | null {
  if (link === 'unreadable') {
    return { code: 'manifest-altered', subject: manifestName(id), detail: 'it cannot be read' };
  }
  if (link === null) return null;
  if ('refused' in link) return { code: 'manifest-refused', subject: manifestName(id), detail: link.refused };
  const member = seen.get(link.id);
  if (member === undefined) {
    return {
      code: 'snapshot-missing',
      subject: link.id,
      detail: `its manifest is gone; ${id} follows it in the chain`,
    };
  }
  if (member.sha256 === null || member.sha256 === link.sha256) return null;
  const was = member.removed ? 'when it was removed, its SHA-256 was' : 'its SHA-256 is';
  const detail = `${was} ${member.sha256}; ${id} recorded ${link.sha256}`;
  return { code: 'manifest-altered', subject: manifestName(link.id), detail };
}

function isSame(a: Finding, b: Finding): boolean {
  return a.code === b.code && a.subject === b.subject;
}

type Link = z.infer<typeof linkSchema>['previous'];

function readLink(body: Buffer): Link | 'unreadable' {
  const parsed = parseStored(linkSchema, body);
  return parsed === null ? 'unreadable' : parsed.previous;
}
