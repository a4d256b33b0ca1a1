import { AppError } from '../../errors.js';
import { demandReason } from '../../snapshot/accept.js';
import { refusedError } from '../../snapshot/catalog.js';
import { refreshCatalog } from '../../snapshot/catalog-object.js';
import { demandPins, removePin, writeForgotten, writePin, type Word } from '../../snapshot/pins.js';
import { sourceWords } from '../../snapshot/source.js';
import { canSign } from '../../snapshot/tombstone.js';
import { trustContext, type TrustContext } from '../../snapshot/trust.js';
import { unfinishedOf, unfinishedWords } from '../../snapshot/unfinished-marks.js';
import { partsOf, unneeded, withRoom, type RoomContext } from './make-room.js';
import { loadSnapshots, type ListedSnapshot, type StoredSnapshots } from './stored-snapshots.js';
import type { PrunePorts } from './prune.js';
import { isOurs } from '../policy.js';
import { missingSnapshots } from './obsolete.js';
import { removeSnapshots } from './remove.js';
import { loadRunSummaries, snapshotsInUse, type RunSummary } from './runs.js';
import { objectsOf, openSweeper, type Found } from './sweeper.js';

interface WordPorts {
  readonly clock: Pick<PrunePorts['clock'], 'now'>;
}

/** Who says it, and why. */
export interface Said {
  readonly by: string;
  readonly reason: string;
}

/** Keeps a snapshot from being pruned until it is unpinned. `id`: of one that is there. Throws `usage`. */
export async function pinSnapshot(ports: WordPorts & Pick<PrunePorts, 'store'>, id: string, said: Said): Promise<Word> {
  const word = wordOf(ports, id, said);
  await writePin(ports.store, word);
  return word;
}

/** False when it was not pinned. */
export function unpinSnapshot({ clock, store }: WordPorts & Pick<PrunePorts, 'store'>, id: string): Promise<boolean> {
  return removePin(store, id, new Date(clock.now()).toISOString());
}

interface Forgotten {
  readonly word: Word;
  readonly objects: number;
  readonly bytes: number;
  /** False for what never got a manifest. */
  readonly wasSnapshot: boolean;
}

interface ForgetOptions {
  readonly force: boolean;
  /** Whether `store` is the second store, whose pins differ from those of the first. */
  readonly isReplica?: boolean;
}

/**
 * Removes one snapshot now, as a prune would: tombstone, manifest, the rest; the chain stays explained. What a backup or an import
 * that broke off left under an id goes as well, without a tombstone, since it never was a snapshot. Throws `not-found`,
 * `locked` for one that is pinned or that a run works with, and while a prune is active, `not-confirmed` without `force` for the last
 * trusted one, for one of another database, and for what an unfinished restore needs, `config` where the removal cannot be signed, `store-denied` where the store keeps it.
 */
export async function forgetSnapshot(
  ports: PrunePorts,
  id: string,
  { force, isReplica = false, ...said }: Said & ForgetOptions,
): Promise<Forgotten> {
  if (!canSign(ports.signer)) {
    throw new AppError('config', 'Only the public signing key is set, so that a removal cannot be put on record', {
      hint: 'Set BACKUP_SIGNING_KEY where snapshots are removed.',
    });
  }
  const word = wordOf(ports, id, said);
  const sweeper = await openSweeper(ports, { dryRun: false, timeIsUp: () => false });
  try {
    const runs = await loadRunSummaries(ports.store);
    const trust = await trustContext(ports, ports.own);
    const stored = await loadSnapshots(trust);
    const isMissing = missingSnapshots({ stored, runs }).includes(id);
    if (isMissing && !force) throw missing(id);
    if (isMissing || isUnfinished(stored, runs, id)) {
      await sweeper.removeAll(await objectsOf(ports.store, id));
      return { word, objects: sweeper.objects, bytes: sweeper.bytes, wasSnapshot: false };
    }
    const snapshot = demandListed(stored, id);
    const pin = (await demandPins(ports.store)).get(id);
    if (pin !== undefined) throw pinned(pin, isReplica);
    if (snapshotsInUse(runs).has(id)) throw inUse(id);
    if (!force) demandOwn(snapshot, trust);
    if (!force) demandAnother(stored, snapshot);
    if (!force) await demandUnneeded(ports, snapshot, trust);
    const room = { store: ports.store, stored: stored, runs, sweeper };
    if (!(await withRoom(() => writeForgotten(ports.store, word), spareFor(room, id), room))) throw noRoom(id);
    const decision = { id, keep: false, reasons: ['forgotten' as const] };
    const { keptByStore, left } = await removeSnapshots(ports, room, [{ snapshot, decision }]);
    if (left > 0) throw inUse(id);
    if (keptByStore > 0) throw kept(id);
    await refreshCatalog(ports);
    return { word, objects: sweeper.objects, bytes: sweeper.bytes, wasSnapshot: true };
  } finally {
    await sweeper.close();
  }
}

/** What may go to make room for the word that a snapshot was forgotten: what nothing needs, then its own parts. */
async function* spareFor(room: RoomContext, id: string): AsyncGenerator<Found> {
  yield* unneeded(room);
  yield* partsOf(room.store, id);
}

/** Whether there are objects of it that no manifest explains, none was removed, and no run is about to write one. */
function isUnfinished(stored: StoredSnapshots, runs: readonly RunSummary[], id: string): boolean {
  if (!stored.bare.includes(id) || missingSnapshots({ stored: stored, runs }).includes(id)) return false;
  return !runs.some((run) => run.id === id && run.recorded && !run.over);
}

function wordOf({ clock }: WordPorts, id: string, { by, reason }: Said): Word {
  return { id, reason: demandReason(reason), at: new Date(clock.now()).toISOString(), by };
}

function missing(id: string): AppError {
  return new AppError('not-confirmed', `Snapshot ${id} has no manifest any more, though no command removed it`, {
    hint: `If the bucket keeps versions, bring the older version of its manifest.json back: then the snapshot is whole again. To give up what is left of it: \`npx soulcaster-backup snapshots forget ${id} --force --reason TEXT --env-file .env\`.`,
  });
}

function demandListed({ listed }: StoredSnapshots, id: string): ListedSnapshot {
  const found = listed.find((snapshot) => snapshot.id === id);
  // Its tombstone would say what its manifest was.
  if (found?.refusal !== undefined) throw refusedError(id, found.refusal);
  if (found !== undefined) return found;
  throw new AppError('not-found', `There is no snapshot ${JSON.stringify(id.slice(0, 64))}`, {
    hint: 'See `npx soulcaster-backup snapshots list --env-file .env` for the ids there are.',
  });
}

/** Only the deployment of the other database knows what a snapshot of it is worth. */
function demandOwn({ id, manifest }: ListedSnapshot, { own, sources }: TrustContext): void {
  if (manifest === null || isOurs({ manifest }, { own, sources })) return;
  throw new AppError('not-confirmed', `Snapshot ${id} is of another database: ${sourceWords(manifest, own)}`, {
    hint: 'Remove it with the environment file of that database, or add --force.',
  });
}

/** The last trusted snapshot of a database is all that there is to restore it from. */
function demandAnother({ listed }: StoredSnapshots, { id, manifest, state }: ListedSnapshot): void {
  if (state !== 'trusted') return;
  const isAnother = (other: ListedSnapshot): boolean =>
    other.id !== id && other.state === 'trusted' && other.manifest?.source === manifest?.source;
  if (listed.some(isAnother)) return;
  throw new AppError('not-confirmed', `Snapshot ${id} is the last trusted one of its database`, {
    hint: 'Without it there is nothing to restore from. Take another one first: `npx soulcaster-backup backup --env-file .env`; or say --force.',
  });
}

/** What an unfinished restore was given, and what it saved before it wrote: by these it can be finished or undone. */
async function demandUnneeded(
  { store }: PrunePorts,
  { id, manifest }: ListedSnapshot,
  { own }: TrustContext,
): Promise<void> {
  const sources = new Set([own, manifest?.source ?? null].filter((source) => source !== null));
  for (const source of sources) {
    const mark = (await unfinishedOf(store, source)).find(({ run, snapshot }) => snapshot === id || run === id);
    if (mark === undefined) continue;
    const what = mark.run === id ? 'was saved by' : 'is what is restored by';
    const finish = mark.hint === undefined ? '' : `: ${mark.hint}`;
    throw new AppError('not-confirmed', `Snapshot ${id} ${what} a restore that did not end: ${unfinishedWords(mark)}`, {
      hint: `Finish the restore first${finish}; or say --force.`,
    });
  }
}

function pinned({ at, by, id, reason }: Word, isReplica: boolean): AppError {
  const option = isReplica ? ' --replica' : '';
  return new AppError('locked', `Snapshot ${id} is pinned since ${at} by ${by}: ${reason}`, {
    hint: `To remove it all the same: \`npx soulcaster-backup snapshots unpin ${id}${option} --env-file .env\`, then forget it.`,
  });
}

function inUse(id: string): AppError {
  return new AppError('locked', `A run works with snapshot ${id}`, {
    hint: 'Wait until it is over, or end it: `npx soulcaster-backup cancel RUN --env-file .env`; `status` names it.',
  });
}

function noRoom(id: string): AppError {
  return new AppError('store-full', `The store has no room to put on record that snapshot ${id} is forgotten`, {
    hint: 'Raise its quota a little, or remove objects under runs/ of runs that are over, and forget it again.',
  });
}

function kept(id: string): AppError {
  return new AppError('store-denied', `The store does not let go of snapshot ${id}`, {
    hint: 'Its credentials may not delete, or the bucket locks objects for a time: see docs/operations.md.',
  });
}
