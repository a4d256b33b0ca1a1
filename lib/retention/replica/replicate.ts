import { AppError } from '../../errors.js';
import type { Ports, ObjectStore } from '../../ports/index.js';
import { sha256, sizesOf } from '../../snapshot/manifest.js';
import { isFoundDamaged, isFoundWhole, trustContext } from '../../snapshot/trust.js';
import { refreshCatalog } from '../../snapshot/catalog-object.js';
import { loadSnapshots, type ListedSnapshot, type StoredSnapshots } from '../stored.js';
import { isStoreFull, NO_LEASE, stillFullError, takeRemovalLease, type RemovalLease } from '../removal-lease.js';
import { copySnapshot, type Stores } from './copy.js';
import { overwriteObject } from '../../control/object.js';
import { uniteSources } from '../../snapshot/source.js';
import { copyErasures } from '../../snapshot/erasures.js';
import { dropEndedMarks } from '../../snapshot/unfinished-marks.js';
import { unitePins } from '../../snapshot/pins.js';
import { acceptedName, adoptedName, manifestName } from '../../snapshot/names.js';
import { catalogEntry, snapshotIds } from '../../snapshot/catalog.js';
import { canSign, readTombstones, signTombstone, tombstoneName } from '../../snapshot/tombstone.js';

interface ReplicaPorts extends Pick<Ports, 'clock' | 'log' | 'signer' | 'store'> {
  /** The source of the protected database; null if none is configured. */
  readonly own: string | null;
  /** The second store. */
  readonly replica: ObjectStore;
}

export interface ReplicateOptions {
  readonly dryRun: boolean;
  /** When it stops, in milliseconds since the epoch; without a deadline it runs to the end. */
  readonly deadline?: number;
  readonly interrupt?: AbortSignal;
}

export interface ReplicaResult {
  readonly dryRun: boolean;
  /** Snapshots now complete in both stores. */
  readonly snapshots: number;
  /** Snapshots copied by this call; in a dry run, those that would be copied. */
  readonly copied: number;
  /** Bytes transferred. */
  readonly bytes: number;
  /** Snapshots left because time ran out. */
  readonly left: number;
  /** Age of the oldest snapshot left that is newer than all in the second store; 0 if there is none. */
  readonly behindMs: number;
  /** Snapshots that are not copied until they have a trusted verification. */
  readonly unverified: readonly string[];
  /** What cannot be copied because the first store has it damaged: a part, or the snapshot's id. */
  readonly damaged: readonly string[];
  /** Snapshots whose manifests differ between the stores. Neither copy is changed. */
  readonly conflicts: readonly string[];
}

/**
 * Copies every verified snapshot that the second store lacks, the newest first. May be killed at any point and called again: a
 * snapshot in the second store is complete or not listed. Removes nothing that the first store no longer has: the second
 * store is pruned separately. Throws `locked` while another replication, or a prune of the second store, is in progress.
 */
export async function replicate(ports: ReplicaPorts, options: ReplicateOptions): Promise<ReplicaResult> {
  const { clock, own, replica } = ports;
  const lease = options.dryRun ? NO_LEASE : await takeRemovalLease({ clock, store: replica });
  try {
    const source = await loadSnapshots(await trustContext(ports, own));
    const target = await loadSnapshots(await trustContext({ ...ports, store: replica }, own));
    const result = await copyAll(ports, source, target, lease, options);
    // Snapshots left for later are no gaps.
    if (!options.dryRun && result.left === 0) await explainGaps(ports, source, lease);
    if (!options.dryRun) await copyOperatorRecords(ports, source, lease);
    if (!options.dryRun) await refreshCatalog({ ...ports, store: replica });
    logResult(ports, result);
    return result;
  } finally {
    await lease.close();
  }
}

/**
 * Replicates. If the second store is full, calls `makeRoom`, which returns the number of objects it removed there, and
 * replicates once more: its own prune may free enough, and no other step would start one. Throws `store-full` if it is full still.
 */
export async function replicateInto(
  replicateOnce: () => Promise<ReplicaResult>,
  makeRoom: () => Promise<number>,
): Promise<ReplicaResult> {
  try {
    return await replicateOnce();
  } catch (error) {
    if (!isStoreFull(error)) throw error;
    if ((await makeRoom()) === 0) throw stillFullError({ isSecond: true }, error);
  }
  return replicateOnce().catch((error: unknown) => {
    throw isStoreFull(error) ? stillFullError({ isSecond: true }, error) : error;
  });
}

async function copyAll(
  ports: ReplicaPorts,
  source: StoredSnapshots,
  target: StoredSnapshots,
  lease: RemovalLease,
  { deadline = Infinity, dryRun, interrupt }: ReplicateOptions,
): Promise<ReplicaResult> {
  const isStopped = (): boolean => ports.clock.now() >= deadline || interrupt?.aborted === true;
  const damaged: string[] = [];
  const conflicts: string[] = [];
  const unverified: string[] = [];
  let [snapshots, copied, bytes, left, behindMs] = [0, 0, 0, 0, 0];
  const countLeft = ({ createdAt }: { readonly createdAt: string }): void => {
    left += 1;
    if (snapshots === 0) behindMs = ports.clock.now() - Date.parse(createdAt);
  };
  for (const snapshot of [...source.listed].reverse()) {
    const { manifest, verification, id } = snapshot;
    const need = needOf(snapshot, target);
    if (need === 'present') snapshots += 1;
    if (need === 'differs') conflicts.push(id);
    if (need === 'unfit') (isDamaged(snapshot) ? damaged : unverified).push(id);
    if (need !== 'copy' || manifest === null || verification === null) continue;
    if (dryRun) {
      copied += 1;
      bytes += sizesOf(manifest).stored;
      continue;
    }
    if (isStopped()) {
      countLeft(manifest);
      continue;
    }
    const onCopied = (count: number): void => void (bytes += count);
    const outcome = await copySnapshot(ports, { manifest, verification, isStopped, lease, onCopied });
    if (typeof outcome === 'object') damaged.push(outcome.damaged);
    if (outcome === 'stopped') countLeft(manifest);
    if (outcome === 'copied') [snapshots, copied] = [snapshots + 1, copied + 1];
  }
  return { dryRun, snapshots, copied, bytes, left, behindMs, unverified, damaged, conflicts };
}

type Need = 'copy' | 'present' | 'differs' | 'unfit' | 'removed-there';

/** Snapshots removed from the second store stay removed, and those present stay unchanged unless found damaged. */
function needOf(snapshot: ListedSnapshot, target: StoredSnapshots): Need {
  const { id, sha256: stored, signatureFits, manifest } = snapshot;
  const copy = target.listed.find((other) => other.id === id);
  if (snapshot.refusal !== undefined) return copy === undefined ? 'unfit' : 'present';
  if (copy?.refusal !== undefined) return 'present';
  if (copy !== undefined && copy.sha256 !== stored) return 'differs';
  const isFit = manifest !== null && signatureFits && isFoundWhole(snapshot);
  if (copy !== undefined) return isFoundWhole(copy) || !isFit ? 'present' : 'copy';
  if (!isFit) return 'unfit';
  const tombstone = target.tombstones.get(id);
  const isRemoved = tombstone?.manifestSha256 === stored && !tombstone.reasons.includes(NOT_REPLICATED);
  return isRemoved ? 'removed-there' : 'copy';
}

/** A snapshot that is not verified yet is not damaged. */
function isDamaged(snapshot: ListedSnapshot): boolean {
  const { manifest, newerFormat, refusal, state } = snapshot;
  // A signature by another key, or from before the key was set, is no damage; alerts report it.
  return (
    state === 'damaged' ||
    isFoundDamaged(snapshot) ||
    (!newerFormat && refusal === undefined && manifest === null) ||
    isAltered(snapshot)
  );
}

function isAltered({ manifest, sealed }: ListedSnapshot): boolean {
  return manifest !== null && sealed !== null && sha256(sealed) !== manifest.seal.sha256;
}

function logResult({ log }: ReplicaPorts, result: ReplicaResult): void {
  const { dryRun, snapshots, copied, bytes, left, damaged, conflicts } = result;
  log.info('replicated', { dryRun, snapshots, copied, bytes, left });
  if (damaged.length > 0) log.error('replica-source-damaged', { count: damaged.length, first: damaged[0] ?? '' });
  if (conflicts.length > 0) log.error('replica-differs', { count: conflicts.length, first: conflicts[0] ?? '' });
}

/** The error of a replication that could not copy everything; null without a failure. */
export function errorOfReplica({ damaged, conflicts }: ReplicaResult): AppError | null {
  const [first] = [...damaged, ...conflicts];
  if (first === undefined) return null;
  const count = damaged.length + conflicts.length;
  return new AppError('damaged', `${count} could not be copied to the second store: ${first}`, {
    hint: 'Verify the snapshot in both stores: `npx soulcaster-backup verify ID --env-file .env`, and again with --replica. Then restore the older version of the damaged object.',
  });
}

/**
 * Copies the operators' decisions: accepted doubtful snapshots, adopted unsigned ones, pins, replaced databases and erasures.
 * Otherwise `latest` would mean another snapshot in the second store.
 */
async function copyOperatorRecords(stores: Stores, source: StoredSnapshots, lease: RemovalLease): Promise<void> {
  for (const { id, accepted, adopted } of source.listed) {
    if (accepted === null && adopted === null) continue;
    if ((await stores.replica.read(manifestName(id))) === null) continue;
    if (accepted !== null) await copyObject(stores, acceptedName(id), lease);
    if (adopted !== null) await copyObject(stores, adoptedName(id), lease);
  }
  // The second store may outlive the first, and then holds entries that the new first store lacks: none of them is lost.
  await lease.keep();
  await uniteSources(stores.store, stores.replica);
  await unitePins(stores.store, stores.replica);
  await copyErasures(stores.store, stores.replica);
  // A restore that ended while one store was out of reach ended its mark in the other alone.
  await dropEndedMarks(stores.store, stores.replica);
  await dropEndedMarks(stores.replica, stores.store);
}

async function copyObject({ replica, store }: Stores, name: string, lease: RemovalLease): Promise<void> {
  const found = await store.read(name);
  if (found === null || (await replica.read(name))?.body.equals(found.body) === true) return;
  await lease.keep();
  await overwriteObject(replica, name, found.body);
}

/** Reason of a tombstone in the second store for a snapshot that was never copied and still may be. */
const NOT_REPLICATED = 'not-replicated';

interface GapPorts extends Pick<Ports, 'clock' | 'signer' | 'store'> {
  readonly replica: ObjectStore;
}

/**
 * Keeps the chain of the second store explained: copies tombstones of snapshots that the first store removed before they were
 * copied, and writes one for each snapshot that cannot be copied. A later copy of the snapshot overrides its tombstone.
 */
async function explainGaps(ports: GapPorts, source: StoredSnapshots, lease: RemovalLease): Promise<void> {
  const { clock, replica, signer, store } = ports;
  const listed = await listedIn(replica);
  const newest = [...listed].sort().at(-1) ?? '';
  const explained = await readTombstones({ store: replica, signer });
  const isGap = (id: string): boolean => id < newest && !listed.has(id) && !explained.has(id);
  for (const id of source.tombstones.keys()) {
    if (!isGap(id)) continue;
    const found = await store.read(tombstoneName(id));
    if (found !== null) await putTombstone(replica, lease, id, found.body);
  }
  if (!canSign(signer)) return;
  for (const { id, manifest, refusal, sha256 } of source.listed) {
    // A tombstone without the manifest's hash would contradict the successor.
    if (!isGap(id) || refusal !== undefined) continue;
    const prunedAt = new Date(clock.now()).toISOString();
    const previous = manifest?.previous ?? null;
    const reasons = [NOT_REPLICATED];
    const body = signTombstone({ formatVersion: 1, id, manifestSha256: sha256, previous, prunedAt, reasons }, signer);
    await putTombstone(replica, lease, id, body);
  }
}

async function putTombstone(replica: ObjectStore, lease: RemovalLease, id: string, body: Buffer): Promise<void> {
  await lease.keep();
  // Replaces a tombstone that is invalid.
  await overwriteObject(replica, tombstoneName(id), body);
}

async function listedIn(store: ObjectStore): Promise<Set<string>> {
  const listed = new Set<string>();
  for (const id of await snapshotIds(store)) if ((await catalogEntry(store, id)) !== null) listed.add(id);
  return listed;
}
