import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { cancelIfOpen, cancelRun, type Engine } from '../runs/engine.js';
import { endLease, unlockCommand } from '../runs/lease.js';
import { leaseObject, listLeases, type ListedLease, storeNow } from '../runs/lease-document.js';
import { traitsOf } from '../run-kinds.js';
import { runsOf } from '../runs/recent.js';
import type { Context } from './context.js';
import { duration } from '../formats.js';
import { table } from './output/table.js';
import { otherMarkStore, runEndingApp, type StoreApp } from '../app/app.js';
import type { Environment } from '../app/config.js';
import { protectedDatabase } from '../app/connect/database.js';
import { inBothStores, removeMarksOfGone } from '../snapshot/unfinished-marks.js';
import { firstStoreOf } from './trust.js';
import { storeEnvironment } from '../app/connect/stores.js';

interface LeaseView {
  readonly lease: string;
  readonly object: string;
  readonly readable: boolean;
  readonly holder: string | null;
  /** What the holder is doing; null if not known. */
  readonly what: string | null;
  /** Time since the last renewal, in milliseconds by the store's clock; null if the store's time is not known. */
  readonly ageMs: number | null;
}

/** `unlock`: shows all leases or, with a name and `--yes`, ends a lease and the run that holds it. */
export async function unlock(
  context: Context,
  name: string | undefined,
  options: { readonly yes?: boolean; readonly replica?: boolean },
): Promise<number> {
  const replica = options.replica === true;
  const { engine, ports } = openForStore(context, replica);
  const { clock, store } = ports;
  const views = await listLeaseViews(store);
  const wanted = name === undefined ? views : views.filter(({ lease }) => lease === name);
  if (name !== undefined && wanted.length === 0) throw unknownLeaseError(name, views);
  const isToEnd = name !== undefined && options.yes === true;
  const run = isToEnd ? await endHolder(engine, wanted[0]?.holder ?? null) : null;
  const ended = isToEnd && ((await endLease({ clock, store }, name)) || run !== null);
  context.print(leasesText(wanted, name, ended, options.yes === true, replica));
  if (run !== null) context.print(`Run ${run}, which held the lease, is ended and will not be resumed.`);
  context.document({ leases: wanted, ended: ended ? name : null, endedRun: run });
  return 0;
}

/** Ends the run that holds the lease: without the lease its state is outdated, so it must not continue. Returns its id. */
async function endHolder(engine: Engine, holder: string | null): Promise<string | null> {
  if (holder === null) return null;
  try {
    const { error } = await cancelRun(engine, holder);
    return error?.code === 'cancelled' ? holder : null;
  } catch (error) {
    // A run without a readable record is never resumed.
    if (error instanceof AppError && (error.code === 'not-found' || error.code === 'damaged')) return null;
    throw error;
  }
}

async function listLeaseViews(store: ObjectStore): Promise<LeaseView[]> {
  const leases = await listLeases(store);
  // The store's time can only be read by writing to it.
  const now = leases.length === 0 ? 0 : await storeNow(store).catch(() => null);
  return Promise.all(leases.map((lease) => leaseView(store, lease, now)));
}

async function leaseView(
  store: ObjectStore,
  { name, document, modifiedAt }: ListedLease,
  now: number | null,
): Promise<LeaseView> {
  const holder = document?.holder ?? null;
  const [run] = holder === null ? [] : await runsOf(store, [holder]);
  return {
    lease: name,
    object: leaseObject(name),
    readable: document !== null,
    holder,
    what: run === undefined ? null : `${traitsOf(run.kind).title}, ${run.state}, phase ${run.phase}`,
    ageMs: now === null ? null : Math.max(0, now - modifiedAt),
  };
}

function leasesText(
  views: readonly LeaseView[],
  name: string | undefined,
  ended: boolean,
  yes: boolean,
  replica: boolean,
): string {
  if (ended) return `The lease ${name ?? ''} is ended. A process that still works under it stops at its next write.`;
  if (views.length === 0) return 'There are no leases.';
  const rows = views.map(({ ageMs, holder, lease, readable, what }) => [
    lease,
    readable ? (holder ?? 'free') : 'CANNOT BE READ',
    what ?? '',
    ageMs === null ? 'unknown' : duration(ageMs),
  ]);
  const held = views.filter(({ holder, readable }) => holder !== null || !readable);
  const hints = yes ? [] : held.map(({ lease }) => `To end lease ${lease}: ${unlockCommand(lease, replica)}`);
  return [table(['lease', 'holder', 'what', 'since renewal'], rows), ...hints].join('\n');
}

function unknownLeaseError(name: string, views: readonly LeaseView[]): AppError {
  const known = views.map(({ lease }) => lease).join(', ');
  return new AppError('not-found', `There is no lease ${JSON.stringify(name.slice(0, 40))}`, {
    hint: known === '' ? 'There are no leases.' : `Existing leases: ${known}.`,
  });
}

/** `cancel`: ends a run now. Exit 0 also for a run that had already ended. */
export async function cancel(
  context: Context,
  id: string,
  options: { readonly databaseGone?: boolean; readonly replica?: boolean } = {},
): Promise<number> {
  if (options.databaseGone === true) return endMarkOfGone(context, id, options.replica === true);
  const run = await cancelRun(openForStore(context, options.replica === true).engine, id);
  const cancelled = run.error?.code === 'cancelled';
  context.print(
    cancelled
      ? `Run ${id}, a ${traitsOf(run.kind).title}, is cancelled. An attempt in progress stops at its next write. ${run.error?.hint ?? ''}`
      : `Run ${id}, a ${traitsOf(run.kind).title}, had already ended: ${run.state}. Nothing was changed.`,
  );
  const { error, finishedAt, kind, state } = run;
  context.document({ run: id, kind, state, cancelled, finishedAt, hint: cancelled ? (error?.hint ?? null) : null });
  return 0;
}

/** `cancel --database-gone`: the run's record may be gone as well, so the mark alone decides. Throws `not-found`. */
async function endMarkOfGone(context: Context, id: string, replica: boolean): Promise<number> {
  const { engine, ports } = openForStore(context, replica);
  const own = protectedDatabase(context.env).source;
  if (own === null) {
    throw new AppError(
      'config',
      'UPSTASH_REDIS_REST_URL is not set, so marks of the protected database cannot be told apart',
      {
        hint: `Set it, then: \`npx soulcaster-backup cancel ${id} --database-gone --env-file .env\`.`,
      },
    );
  }
  const stores = { store: ports.store, marksElsewhere: otherMarkStore(context.env, context.log, replica) };
  const removed = await inBothStores(stores, (each) => removeMarksOfGone(each, id, own));
  if (removed.every((count) => count === 0)) {
    throw new AppError('not-found', `There is no mark of an unfinished restore ${id} into another database`, {
      hint: 'A restore into the protected database is finished, or a new snapshot is accepted: `npx soulcaster-backup alerts --env-file .env` names both commands.',
    });
  }
  const cancelled = await cancelIfOpen(engine, ports.store, id);
  context.print(
    `The mark of restore ${id} is removed, because its database no longer exists: its snapshots are not kept for it any longer.`,
  );
  context.document({ run: id, markRemoved: true, cancelled });
  return 0;
}

/** Opens the app for ending runs of the first store or, with `replica`, of the second: a restore from that one marks the first too. */
function openForStore(context: Context, replica: boolean): StoreApp {
  if (!replica) return openRunEndingApp(context, context.env);
  const env = storeEnvironment(context.env, true);
  return runEndingApp(env, { log: withoutErrors(context.log), firstStore: firstStoreOf(context) });
}

/** Opens the app for ending runs, with the log of a command. */
export function openRunEndingApp({ log }: Pick<Context, 'log'>, env: Environment): StoreApp {
  return runEndingApp(env, { log: withoutErrors(log) });
}

/** A log without errors: the command prints them itself. */
function withoutErrors(log: Context['log']): Context['log'] {
  return { ...log, error: () => undefined };
}
