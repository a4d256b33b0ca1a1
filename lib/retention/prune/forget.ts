import { AppError } from '../../errors.js';
import { parseReason } from '../../snapshot/accept.js';
import { noSnapshotError, refusedError } from '../../snapshot/catalog.js';
import { refreshCatalog } from '../../snapshot/catalog-object.js';
import { readPinsOrThrow, removePin, writeForgotten, writePin, type Decision } from '../../snapshot/pins.js';
import { sourceWords } from '../../snapshot/source.js';
import type { ObjectStore } from '../../ports/store.js';
import { canSign } from '../../snapshot/tombstone.js';
import { trustContext, type TrustContext } from '../../snapshot/trust.js';
import { unfinishedOfAll, unfinishedWords } from '../../snapshot/unfinished-marks.js';
import { listParts, listUnneeded, withRoom, type RoomContext, objectsOf, openSweeper, type Found } from './sweeper.js';
import {
  loadSnapshots,
  type ListedSnapshot,
  type StoredSnapshots,
  loadRunSummaries,
  snapshotsInUse,
  type RunSummary,
  missingSnapshots,
} from '../stored.js';
import type { PrunePorts } from './prune.js';
import { isOurs } from '../policy.js';
import { removeSnapshots } from './remove.js';

interface ClockPorts {
  readonly clock: Pick<PrunePorts['clock'], 'now'>;
}

/** Who decided it, and why. */
interface Attribution {
  readonly by: string;
  readonly reason: string;
}

/** Keeps a snapshot from being pruned until it is unpinned. The snapshot must exist. Throws `usage`. */
export async function pinSnapshot(
  ports: ClockPorts & Pick<PrunePorts, 'store'>,
  id: string,
  attribution: Attribution,
): Promise<Decision> {
  const word = wordOf(ports, id, attribution);
  await writePin(ports.store, word);
  return word;
}

/** Returns false if it was not pinned. */
export function unpinSnapshot({ clock, store }: ClockPorts & Pick<PrunePorts, 'store'>, id: string): Promise<boolean> {
  return removePin(store, id, new Date(clock.now()).toISOString());
}

interface Forgotten {
  readonly word: Decision;
  readonly objects: number;
  readonly bytes: number;
  /** False if it never had a manifest. */
  readonly wasSnapshot: boolean;
}

interface ForgetOptions {
  readonly force: boolean;
}

/**
 * Removes one snapshot now, as a prune would: tombstone, manifest, the rest; the chain stays explained. Objects of an
 * interrupted backup or import are removed without a tombstone, since they never were a snapshot. Throws `not-found`;
 * `locked` if the snapshot is pinned or in use, or while a prune is active; `not-confirmed` without `force` for the last
 * trusted snapshot, for one of another database, for one that an unfinished restore needs, and for the remains of one whose
 * manifest is gone; `config` if the removal cannot be signed; `store-denied` if the store refuses.
 */
export async function forgetSnapshot(
  ports: PrunePorts,
  id: string,
  { force, ...attribution }: Attribution & ForgetOptions,
): Promise<Forgotten> {
  if (!canSign(ports.signer)) {
    throw new AppError('config', 'Only the public signing key is set: a removal cannot be signed', {
      hint: 'Set BACKUP_SIGNING_KEY where snapshots are removed.',
    });
  }
  const word = wordOf(ports, id, attribution);
  const sweeper = await openSweeper(ports, { dryRun: false, timeIsUp: () => false });
  try {
    const runs = await loadRunSummaries(ports.store);
    const trust = await trustContext(ports, ports.own);
    const stored = await loadSnapshots(trust);
    const isMissing = missingSnapshots({ stored, runs }).includes(id);
    if (isMissing && !force)
      throw new AppError('not-confirmed', `Snapshot ${id} has lost its manifest, although no command removed it`, {
        hint: `If the bucket keeps versions, bring the older version of its manifest.json back to make it whole again. To give up its remains: \`npx soulcaster-backup snapshots forget ${id} --force --reason TEXT --env-file .env\`.`,
      });
    if (isMissing || isUnfinishedWrite(stored, runs, id)) {
      await sweeper.removeAll(await objectsOf(ports.store, id));
      return { word, objects: sweeper.objects, bytes: sweeper.bytes, wasSnapshot: false };
    }
    const snapshot = findListed(stored, id);
    const pin = (await readPinsOrThrow(ports.store)).get(id);
    if (pin !== undefined) throw pinnedError(pin, ports.store);
    if (snapshotsInUse(runs).has(id)) throw inUseError(id);
    if (!force) assertOwn(snapshot, trust);
    if (!force) assertNotLastTrusted(stored, snapshot);
    if (!force) await assertNotNeeded(ports, id);
    const room = { store: ports.store, stored, runs, sweeper };
    if (!(await withRoom(() => writeForgotten(ports.store, word), listExpendable(room, id), room)))
      throw new AppError('store-full', `The store has no room for the record that snapshot ${id} is removed`, {
        hint: 'Raise its quota a little, or remove objects under runs/ of runs that are over, then forget the snapshot again.',
      });
    const decision = { id, keep: false, reasons: ['forgotten' as const] };
    const { keptByStore, left } = await removeSnapshots(ports, room, [{ snapshot, decision }]);
    if (left > 0) throw inUseError(id);
    if (keptByStore > 0)
      throw new AppError('store-denied', `The store refuses to remove snapshot ${id}`, {
        hint: 'The credentials may not delete objects, or the bucket locks objects for a time: see docs/operations.md.',
      });
    await refreshCatalog(ports);
    return { word, objects: sweeper.objects, bytes: sweeper.bytes, wasSnapshot: true };
  } finally {
    await sweeper.close();
  }
}

/** Objects that may be removed to make room for the record of the removal: listUnneeded ones, then the snapshot's own parts. */
async function* listExpendable(room: RoomContext, id: string): AsyncGenerator<Found> {
  yield* listUnneeded(room);
  yield* listParts(room.store, id);
}

/** Whether objects exist without a manifest, no manifest was removed, and no run is about to write one. */
function isUnfinishedWrite(stored: StoredSnapshots, runs: readonly RunSummary[], id: string): boolean {
  if (!stored.bare.includes(id) || missingSnapshots({ stored, runs }).includes(id)) return false;
  return !runs.some((run) => run.id === id && run.recorded && !run.over);
}

function wordOf({ clock }: ClockPorts, id: string, { by, reason }: Attribution): Decision {
  return { id, reason: parseReason(reason), at: new Date(clock.now()).toISOString(), by };
}

function findListed({ listed }: StoredSnapshots, id: string): ListedSnapshot {
  const found = listed.find((snapshot) => snapshot.id === id);
  // The tombstone needs the contents of the manifest.
  if (found?.refusal !== undefined) throw refusedError(id, found.refusal);
  if (found !== undefined) return found;
  throw noSnapshotError(id);
}

/** Only the deployment of the other database knows what a snapshot of it is worth. */
function assertOwn({ id, manifest }: ListedSnapshot, { own, sources }: TrustContext): void {
  if (manifest === null || isOurs({ manifest }, { own, sources })) return;
  throw new AppError('not-confirmed', `Snapshot ${id} is of another database: ${sourceWords(manifest, own)}`, {
    hint: 'Remove it with the environment file of that database, or add --force.',
  });
}

/** Without its last trusted snapshot a database cannot be restored. */
function assertNotLastTrusted({ listed }: StoredSnapshots, { id, manifest, state }: ListedSnapshot): void {
  if (state !== 'trusted') return;
  const isAnother = (other: ListedSnapshot): boolean =>
    other.id !== id && other.state === 'trusted' && other.manifest?.source === manifest?.source;
  if (listed.some(isAnother)) return;
  throw new AppError('not-confirmed', `Snapshot ${id} is the last trusted one of its database`, {
    hint: 'Without it the database cannot be restored. Take another snapshot first: `npx soulcaster-backup backup --env-file .env`; or add --force.',
  });
}

/** An unfinished restore, into any database, is finished with the snapshot that it restores, and undone with the one that it saved. */
async function assertNotNeeded({ store }: PrunePorts, id: string): Promise<void> {
  const mark = (await unfinishedOfAll(store)).find(({ run, snapshot }) => snapshot === id || run === id);
  if (mark === undefined) return;
  const what = mark.run === id ? 'was saved by' : 'is being restored by';
  const finish = mark.hint === undefined ? '' : `: ${mark.hint}`;
  throw new AppError('not-confirmed', `Snapshot ${id} ${what} an unfinished restore: ${unfinishedWords(mark)}`, {
    hint: `Finish the restore first${finish}; or add --force. If its database no longer exists: \`npx soulcaster-backup cancel ${mark.run} --database-gone --env-file .env\`.`,
  });
}

function pinnedError({ at, by, id, reason }: Decision, { isSecond }: ObjectStore): AppError {
  const option = isSecond === true ? ' --replica' : '';
  return new AppError('locked', `Snapshot ${id} was pinned at ${at} by ${by}: ${reason}`, {
    hint: `To remove it anyway: \`npx soulcaster-backup snapshots unpin ${id}${option} --env-file .env\`, then forget it.`,
  });
}

function inUseError(id: string): AppError {
  return new AppError('locked', `A run is using snapshot ${id}`, {
    hint: 'Wait until the run is over, or cancel it: `npx soulcaster-backup cancel RUN --env-file .env`; `status` names it.',
  });
}
