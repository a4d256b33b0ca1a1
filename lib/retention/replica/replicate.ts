import { AppError } from '../../errors.js';
import type { Ports, ObjectStore } from '../../ports/index.js';
import { sha256 } from '../../snapshot/manifest.js';
import { isFoundDamaged, isFoundWhole, trustContext } from '../../snapshot/trust.js';
import { refreshCatalog } from '../../snapshot/catalog-object.js';
import { sizesOf } from '../../snapshot/sizes.js';
import { loadSnapshots, type ListedSnapshot, type StoredSnapshots } from '../prune/stored-snapshots.js';
import { NO_LEASE, takeRemovalLease, type RemovalLease } from '../removal-lease.js';
import { copySnapshot } from './copy.js';
import { overwriteObject } from '../../control/object.js';
import { uniteSources } from '../../snapshot/adopted-sources.js';
import { copyErasures } from '../../snapshot/erasures.js';
import { unitePins } from '../../snapshot/pins.js';
import { acceptedName, adoptedName, manifestName } from '../../snapshot/names.js';
import { catalogEntry, snapshotIds } from '../../snapshot/catalog.js';
import { canSign, readTombstones, signTombstone, tombstoneName } from '../../snapshot/tombstone.js';

interface ReplicaPorts extends Pick<Ports, 'clock' | 'log' | 'signer' | 'store'> {
  /** The source of the database that is protected; null where none is configured. */
  readonly own: string | null;
  /** The second store. */
  readonly replica: ObjectStore;
}

export interface ReplicateOptions {
  readonly dryRun: boolean;
  /** Milliseconds since the epoch by which it stops; without one it runs to the end. */
  readonly deadline?: number;
  readonly interrupt?: AbortSignal;
}

export interface ReplicaResult {
  readonly dryRun: boolean;
  /** Snapshots that are complete in both stores now. */
  readonly snapshots: number;
  /** Snapshots that were copied by this call; with a dry run, that would be. */
  readonly copied: number;
  /** Bytes that went over. */
  readonly bytes: number;
  /** Snapshots that there was no time for. */
  readonly left: number;
  /** Milliseconds since the first of these was made that is newer than all in the second store; 0 if none is. */
  readonly behindMs: number;
  /** Snapshots that are not copied before a verification of them is believed. */
  readonly unverified: readonly string[];
  /** What cannot be copied, since the first store does not have it as it was written: a part, or the snapshot's id. */
  readonly damaged: readonly string[];
  /** Snapshots whose manifests differ between the stores. Neither is touched. */
  readonly conflicts: readonly string[];
}

/**
 * Copies every verified snapshot that the second store lacks, the newest first. May be killed anywhere and called again:
 * a snapshot is complete there, or not listed. Of what the first store no longer has, nothing is removed here: the
 * second has its own prune. Throws `locked` while another replication, or a prune of the second store, is in progress.
 */
export async function replicate(ports: ReplicaPorts, options: ReplicateOptions): Promise<ReplicaResult> {
  const { clock, own, replica } = ports;
  const lease = options.dryRun ? NO_LEASE : await takeRemovalLease({ clock, store: replica });
  try {
    const source = await loadSnapshots(await trustContext(ports, own));
    const target = await loadSnapshots(await trustContext({ ...ports, store: replica }, own));
    const result = await copyAll(ports, source, target, lease, options);
    // What is only left for later is no gap.
    if (!options.dryRun && result.left === 0) await explainGaps(ports, source, lease);
    if (!options.dryRun) await copyWords(ports, source, lease);
    if (!options.dryRun) await refreshCatalog({ ...ports, store: replica });
    report(ports, result);
    return result;
  } finally {
    await lease.close();
  }
}

async function copyAll(
  ports: ReplicaPorts,
  source: StoredSnapshots,
  target: StoredSnapshots,
  lease: RemovalLease,
  { deadline = Infinity, dryRun, interrupt }: ReplicateOptions,
): Promise<ReplicaResult> {
  const stopped = (): boolean => ports.clock.now() >= deadline || interrupt?.aborted === true;
  const damaged: string[] = [];
  const conflicts: string[] = [];
  const unverified: string[] = [];
  let [snapshots, copied, bytes, left, behindMs] = [0, 0, 0, 0, 0];
  const missed = ({ createdAt }: { readonly createdAt: string }): void => {
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
    if (stopped()) {
      missed(manifest);
      continue;
    }
    const onCopied = (count: number): void => void (bytes += count);
    const outcome = await copySnapshot(ports, { manifest, verification, stopped, lease, onCopied });
    if (typeof outcome === 'object') damaged.push(outcome.damaged);
    if (outcome === 'stopped') missed(manifest);
    if (outcome === 'copied') [snapshots, copied] = [snapshots + 1, copied + 1];
  }
  return { dryRun, snapshots, copied, bytes, left, behindMs, unverified, damaged, conflicts };
}

type Need = 'copy' | 'present' | 'differs' | 'unfit' | 'removed-there';

/** What was removed there stays so, and what is there stays as it is: only what was found damaged is copied again. */
function needOf(snapshot: ListedSnapshot, target: StoredSnapshots): Need {
  const { id, sha256: stored, signatureFits: sealFits, manifest } = snapshot;
  const there = target.listed.find((other) => other.id === id);
  if (snapshot.refusal !== undefined) return there === undefined ? 'unfit' : 'present';
  if (there?.refusal !== undefined) return 'present';
  if (there !== undefined && there.sha256 !== stored) return 'differs';
  const fit = manifest !== null && sealFits && isFoundWhole(snapshot);
  if (there !== undefined) return isFoundWhole(there) || !fit ? 'present' : 'copy';
  if (!fit) return 'unfit';
  const tombstone = target.tombstones.get(id);
  const removed = tombstone?.manifestSha256 === stored && !tombstone.reasons.includes(NOT_REPLICATED);
  return removed ? 'removed-there' : 'copy';
}

/** One that was not verified yet is not wrong: it waits. */
function isDamaged(snapshot: ListedSnapshot): boolean {
  const { manifest, newerFormat, refusal, state } = snapshot;
  // That the key does not fit, or was set later, is no damage; what it may hide is told elsewhere.
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

function report({ log }: ReplicaPorts, result: ReplicaResult): void {
  const { dryRun, snapshots, copied, bytes, left, damaged, conflicts } = result;
  log.info('replicated', { dryRun, snapshots, copied, bytes, left });
  if (damaged.length > 0) log.error('replica-source-damaged', { count: damaged.length, first: damaged[0] ?? '' });
  if (conflicts.length > 0) log.error('replica-differs', { count: conflicts.length, first: conflicts[0] ?? '' });
}

/** The error of a replication that could not copy everything; null when all is well. */
export function errorOfReplica({ damaged, conflicts }: ReplicaResult): AppError | null {
  const [first] = [...damaged, ...conflicts];
  if (first === undefined) return null;
  const count = damaged.length + conflicts.length;
  return new AppError('damaged', `${count} could not be copied to the second store: ${first}`, {
    hint: 'Run `verify` on what is named, in both stores (--replica), and bring the older version of the object back.',
  });
}

interface Stores {
  readonly store: ObjectStore;
  readonly replica: ObjectStore;
}

/**
 * Brings what operators have said along: which doubtful snapshots they accepted, which unsigned ones were adopted, which
 * are pinned, which databases this one replaced, and whose data are erased. Else `latest` would mean something else in the second store.
 */
async function copyWords(stores: Stores, source: StoredSnapshots, lease: RemovalLease): Promise<void> {
  for (const { id, accepted, adopted } of source.listed) {
    if (accepted === null && adopted === null) continue;
    if ((await stores.replica.read(manifestName(id))) === null) continue;
    if (accepted !== null) await copyOver(stores, acceptedName(id), lease);
    if (adopted !== null) await copyOver(stores, adoptedName(id), lease);
  }
  // The second store may outlive the first, and then holds what the new first one never heard of: nothing there is lost.
  await lease.keep();
  await uniteSources(stores.store, stores.replica);
  await unitePins(stores.store, stores.replica);
  await copyErasures(stores.store, stores.replica);
}

async function copyOver({ replica, store }: Stores, name: string, lease: RemovalLease): Promise<void> {
  const found = await store.read(name);
  if (found === null || (await replica.read(name))?.body.equals(found.body) === true) return;
  await lease.keep();
  await overwriteObject(replica, name, found.body);
}

/** Reason of a tombstone in the second store for what never came there, and still may. */
const NOT_REPLICATED = 'not-replicated';

interface GapPorts extends Pick<Ports, 'clock' | 'signer' | 'store'> {
  readonly replica: ObjectStore;
}

/**
 * Sees that the chain of the second store holds: tombstones of what was removed from the first before it was copied come
 * along, and what cannot be copied gets one that says so. One that is copied after all makes it mean nothing.
 */
async function explainGaps(ports: GapPorts, source: StoredSnapshots, lease: RemovalLease): Promise<void> {
  const { clock, replica, signer, store } = ports;
  const there = await listedIn(replica);
  const newest = [...there].sort().at(-1) ?? '';
  const explained = await readTombstones({ store: replica, signer });
  const isGap = (id: string): boolean => id < newest && !there.has(id) && !explained.has(id);
  for (const id of source.tombstones.keys()) {
    if (!isGap(id)) continue;
    const found = await store.read(tombstoneName(id));
    if (found !== null) await put(replica, lease, id, found.body);
  }
  if (!canSign(signer)) return;
  for (const { id, manifest, refusal, sha256 } of source.listed) {
    // A tombstone that does not name the manifest would contradict the successor.
    if (!isGap(id) || refusal !== undefined) continue;
    const prunedAt = new Date(clock.now()).toISOString();
    const previous = manifest?.previous ?? null;
    const reasons = [NOT_REPLICATED];
    const body = signTombstone({ formatVersion: 1, id, manifestSha256: sha256, previous, prunedAt, reasons }, signer);
    await put(replica, lease, id, body);
  }
}

async function put(replica: ObjectStore, lease: RemovalLease, id: string, body: Buffer): Promise<void> {
  await lease.keep();
  // One that is there and does not count gives way.
  await overwriteObject(replica, tombstoneName(id), body);
}

async function listedIn(store: ObjectStore): Promise<Set<string>> {
  const listed = new Set<string>();
  for (const id of await snapshotIds(store)) if ((await catalogEntry(store, id)) !== null) listed.add(id);
  return listed;
}
