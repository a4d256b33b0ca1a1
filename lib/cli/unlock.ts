import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { cancelRun } from '../runs/cancel.js';
import type { Engine } from '../runs/engine.js';
import { endLease, unlockCommand } from '../runs/lease.js';
import { leaseObject, listLeases, type ListedLease } from '../runs/lease-document.js';
import { traitsOf } from '../run-kinds.js';
import { runsOf } from '../runs/recent.js';
import { storeNow } from '../runs/store-time.js';
import type { Context } from './context.js';
import { duration } from './output/format.js';
import { table } from './output/table.js';
import { endingApp as ending, type StoreApp } from '../app/app.js';
import type { Environment } from '../app/config.js';
import { erasuresUnreadWords, notMarkedWords } from './restore/words.js';
import { storeEnvironment } from './store-choice.js';

interface LeaseView {
  readonly lease: string;
  readonly object: string;
  readonly readable: boolean;
  readonly holder: string | null;
  /** What the holder does; null when it is not known. */
  readonly what: string | null;
  /** How long ago it was last renewed, in milliseconds by the store's clock; null when the store does not tell. */
  readonly ageMs: number | null;
}

/** `unlock`: shows all leases or, with a name and `--yes`, ends one whoever holds it. */
export async function unlock(
  context: Context,
  name: string | undefined,
  options: { readonly yes?: boolean; readonly replica?: boolean },
): Promise<number> {
  const replica = options.replica === true;
  const { engine, ports } = storeEndingApp(context, replica);
  const { clock, store } = ports;
  const views = await viewsOf(store);
  const wanted = name === undefined ? views : views.filter(({ lease }) => lease === name);
  if (name !== undefined && wanted.length === 0) throw unknown(name, views);
  const isToEnd = name !== undefined && options.yes === true;
  const run = isToEnd ? await endHolder(engine, wanted[0]?.holder ?? null) : null;
  const ended = isToEnd && ((await endLease({ clock, store }, name)) || run !== null);
  context.print(text(wanted, name, ended, options.yes === true, replica));
  if (run !== null) context.print(`Run ${run}, which held it, is ended and is not resumed.`);
  context.document({ leases: wanted, ended: ended ? name : null, endedRun: run });
  return 0;
}

/** A run without its lease must not go on: what it knows is of a time before others had it. Returns the run that was ended. */
async function endHolder(engine: Engine, holder: string | null): Promise<string | null> {
  if (holder === null) return null;
  try {
    const { error } = await cancelRun(engine, holder);
    return error?.code === 'cancelled' ? holder : null;
  } catch (error) {
    // One without a record, or with one that cannot be read, is never resumed.
    if (error instanceof AppError && (error.code === 'not-found' || error.code === 'damaged')) return null;
    throw error;
  }
}

async function viewsOf(store: ObjectStore): Promise<LeaseView[]> {
  const leases = await listLeases(store);
  // A store that takes no writes does not tell its time.
  const now = leases.length === 0 ? 0 : await storeNow(store).catch(() => null);
  return Promise.all(leases.map((lease) => viewOf(store, lease, now)));
}

async function viewOf(
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

function text(
  views: readonly LeaseView[],
  name: string | undefined,
  ended: boolean,
  yes: boolean,
  replica: boolean,
): string {
  if (ended) return `The lease ${name ?? ''} is ended. If a process still worked under it, it stops at its next write.`;
  if (views.length === 0) return 'There are no leases.';
  const rows = views.map(({ ageMs, holder, lease, readable, what }) => [
    lease,
    readable ? (holder ?? 'free') : 'CANNOT BE READ',
    what ?? '',
    ageMs === null ? 'unknown' : duration(ageMs),
  ]);
  const held = views.filter(({ holder, readable }) => holder !== null || !readable);
  const hints = yes ? [] : held.map(({ lease }) => `To end it: ${unlockCommand(lease, replica)}`);
  return [table(['lease', 'holder', 'what', 'renewed before'], rows), ...hints].join('\n');
}

function unknown(name: string, views: readonly LeaseView[]): AppError {
  const known = views.map(({ lease }) => lease).join(', ');
  return new AppError('not-found', `There is no lease ${JSON.stringify(name.slice(0, 40))}`, {
    hint: known === '' ? 'There are no leases.' : `There are: ${known}.`,
  });
}

/** `cancel`: ends a run now. Exit 0 also for a run that was over before. */
export async function cancel(
  context: Context,
  id: string,
  options: { readonly replica?: boolean } = {},
): Promise<number> {
  const run = await cancelRun(storeEndingApp(context, options.replica === true).engine, id);
  const cancelled = run.error?.code === 'cancelled';
  context.print(
    cancelled
      ? `Run ${id}, a ${traitsOf(run.kind).title}, is cancelled. An attempt that was working on it stops at its next write. ${run.error?.hint ?? ''}`
      : `Run ${id}, a ${traitsOf(run.kind).title}, was over before: ${run.state}. Nothing was changed.`,
  );
  context.document({
    run: id,
    kind: run.kind,
    state: run.state,
    cancelled,
    finishedAt: run.finishedAt,
    error: run.error,
  });
  return 0;
}

/** The same for the first store or, with `replica`, for the second: a restore from that one marks the first as well. */
function storeEndingApp(context: Context, replica: boolean): StoreApp {
  if (!replica) return endingApp(context, context.env);
  const onNotMarked = (why: string): void => context.note(notMarkedWords(why));
  const onErasuresUnread = (why: string): void => context.note(erasuresUnreadWords(why));
  const firstStore = { env: context.env, onNotMarked, onErasuresUnread };
  return ending(storeEnvironment(context.env, true), { log: quiet(context.log), firstStore });
}

/** An app that can end runs: with the database at hand the locks that a run holds in it are freed as well. */
export function endingApp({ log }: Pick<Context, 'log'>, env: Environment): StoreApp {
  return ending(env, { log: quiet(log) });
}

/** The command itself says what the log would. */
function quiet(log: Context['log']): Context['log'] {
  return { ...log, error: () => undefined };
}
