import { AppError } from '../errors.js';
import type { Clock, RedisPort } from '../ports/index.js';
import type { ProviderBackup, ProviderDatabase, UpstashAccount } from '../ports/upstash-account.js';
import { runOne } from '../redis/run-one.js';
import { findBackup } from './backups.js';
import { newId } from '../runs/ids.js';
import { claimLease, releaseLease, renewLease, type Lease, type LeaseTimes } from '../runs/lease.js';
import { sourceOf } from '../snapshot/source.js';
import { addMark, endMarks, inBothStores, type MarkStores, type Unfinished } from '../snapshot/unfinished-marks.js';
import { DATABASE_LEASE } from '../snapshot/run.js';

export interface PlanPorts {
  readonly account: UpstashAccount;
  readonly clock: Clock;
  /** The database that this program backs up. */
  readonly redis: RedisPort;
}

interface RestoreRequest {
  /** Id of the database to replace. */
  readonly database: string;
  /** Id of the database of the backup; null for the same. */
  readonly from: string | null;
  /** Id of a backup, or `latest`. */
  readonly backup: string;
}

export interface ProviderRestorePlan {
  readonly database: ProviderDatabase;
  readonly backup: ProviderBackup;
  readonly from: string;
  readonly ageMs: number;
  /** Whether the database is the one that this program backs up. */
  readonly ours: boolean;
  /** Keys in it now; null if it is not ours or does not answer. */
  readonly keys: number | null;
  /** Whether it answers; null if it is not ours and was not tried. */
  readonly reachable: boolean | null;
}

/**
 * Reads everything that a restore depends on; changes nothing. Throws, besides the ports' errors, `not-found`, and
 * `not-restorable` for a backup that is not complete or a database that is not active.
 */
export async function planRestore(ports: PlanPorts, request: RestoreRequest): Promise<ProviderRestorePlan> {
  const { account, clock, redis } = ports;
  const from = request.from ?? request.database;
  const database = await account.database(request.database);
  const backup = await findBackup(account, from, request.backup);
  if (backup.state !== 'completed') throw notCompleteError(backup);
  if (database.busy !== null || database.state !== 'active') throw notReadyError(database);
  const ours = database.host === redis.host;
  const keys = ours ? await countKeys(redis) : null;
  const reachable = ours ? keys !== null : null;
  return { database, backup, from, ageMs: clock.now() - backup.createdAt, ours, keys, reachable };
}

/** Number of keys; null if the database does not answer. Other errors are thrown: a wrong token must be fixed first. */
export async function countKeys(redis: RedisPort): Promise<number | null> {
  try {
    const size = await runOne(redis, (sdk) => sdk.dbsize());
    if ('value' in size && typeof size.value === 'number') return size.value;
  } catch (error) {
    if (error instanceof AppError && error.code === 'redis-unavailable') return null;
    throw error;
  }
  throw new AppError('redis-denied', 'The database refuses DBSIZE', { hint: 'Use the standard REST token.' });
}

/** Asserts that the operator typed the database's id or name. Throws `not-confirmed`. */
export function assertTyped({ database }: ProviderRestorePlan, typed: string | null): void {
  if (typed !== null && (typed === database.id || typed === database.name)) return;
  throw new AppError('not-confirmed', 'Deleting everything in a database must be confirmed with its name', {
    hint: 'Run with --dry-run first. Then type the id or the name of the database, or give it with --confirm.',
  });
}

function notCompleteError({ id, state }: ProviderBackup): AppError {
  return new AppError('not-restorable', `Upstash's backup ${id} is ${state === 'unknown' ? 'not complete' : state}`, {
    hint: 'Choose another backup: `npx soulcaster-backup upstash backups list --env-file .env`.',
  });
}

function notReadyError({ busy, state }: ProviderDatabase): AppError {
  // Only a plain word of the vendor is quoted.
  const word = /^[a-z_-]{1,40}$/i.test(busy ?? state) ? ` (${busy ?? state})` : '';
  return new AppError('not-restorable', `The database is not ready for a restore${word}`, {
    hint: 'Wait until the Upstash console shows the database as active with no operation in progress, then try again.',
  });
}

export type PerformPorts = PlanPorts & Pick<MarkStores, 'marksElsewhere' | 'store'>;

interface PerformOptions {
  /** Takes a snapshot of the current data and returns its id; null: no safety snapshot. */
  readonly safety: (() => Promise<string>) | null;
  readonly interrupt: AbortSignal;
}

interface ProviderRestored {
  /** Id of the snapshot that undoes the restore; `empty`: there was no data; `unreachable`: nothing could be read; `skipped`. */
  readonly undo: string;
  /** Keys in the database now; null if it is not ours or does not answer. */
  readonly keys: number | null;
  readonly milliseconds: number;
}

/** If the process dies, the restore continues at Upstash, and the lease of the database soon expires. */
const TIMES: LeaseTimes = { attemptTtlMs: 60_000, holdMs: 5 * 60_000 };

/**
 * Replaces everything in a database by one of Upstash's backups, and waits for the end. A snapshot saves the current data
 * first, and the lease of the database keeps out runs meanwhile. Throws, besides the errors of ports and `safety`, `locked` if
 * a run has the database, `usage` if the current data cannot be saved, `not-proven` if the database is empty afterwards
 * although the backup was not, and `interrupted` and `upstash-unavailable` if the end was not seen.
 */
export async function performRestore(
  ports: PerformPorts,
  plan: ProviderRestorePlan,
  options: PerformOptions,
): Promise<ProviderRestored> {
  const since = ports.clock.now();
  const undo = await takeSafetySnapshot(plan, options.safety);
  let lease = plan.ours ? await takeDatabaseLease(ports) : null;
  const mark = await markUnfinished(ports, plan, since);
  const keep = async (): Promise<void> => {
    if (lease !== null) lease = await renewLease(ports, lease, TIMES);
  };
  let keys: number | null;
  try {
    const doubt = await requestRestore(ports, plan);
    keys = await awaitRestore(ports, plan, { interrupt: options.interrupt, doubt, keep, hint: inspectFirst(undo) });
  } catch (error) {
    // The restore may be in progress at Upstash: the lease is left to expire, so that no run uses the database meanwhile.
    if (isRefusal(error)) {
      await mark.end((each) => each === mark.run);
      if (lease !== null) await releaseLease(ports, lease);
    }
    throw error;
  }
  const isEmptied = keys === 0 && mayHoldKeys(plan);
  // Everything was replaced, so the marks of earlier unfinished restores end, too; unless the database does not answer.
  const isSeen = !plan.ours || keys !== null;
  if (!isEmptied && isSeen) await mark.end(() => true);
  if (lease !== null) await releaseLease(ports, lease);
  if (isEmptied) throw emptiedError(plan, undo);
  return { undo, keys, milliseconds: ports.clock.now() - since };
}

/** Marks the database: until the end is seen, its data may be partly old and partly restored. */
async function markUnfinished(ports: PerformPorts, { backup, database }: ProviderRestorePlan, now: number) {
  const run = newId(now);
  const source = sourceOf(database.host);
  const since = new Date(now).toISOString();
  const hint = `\`npx soulcaster-backup upstash backups restore ${backup.id} --env-file .env\``;
  const mark: Unfinished = { run, scope: { all: true }, since, kind: 'restore by Upstash', hint };
  await inBothStores(ports, (store) => addMark(store, source, mark));
  const end = (isOver: (run: string) => boolean): Promise<unknown> =>
    inBothStores(ports, (store) => endMarks(store, source, (each) => isOver(each.run)));
  return { run, end };
}

async function takeSafetySnapshot(
  { keys, ours, reachable }: ProviderRestorePlan,
  safety: PerformOptions['safety'],
): Promise<string> {
  if (safety === null) return 'skipped';
  if (!ours)
    throw new AppError(
      'usage',
      'The database is not the one of UPSTASH_REDIS_REST_URL, so its data cannot be saved first',
      {
        hint: 'Set UPSTASH_REDIS_ID to the id of the database that is backed up; or give --no-safety if another database is intended.',
      },
    );
  if (reachable === false) return 'unreachable';
  return keys === 0 ? 'empty' : safety();
}

async function takeDatabaseLease(ports: PerformPorts): Promise<Lease> {
  const claim = await claimLease(ports, DATABASE_LEASE, newId(ports.clock.now()), TIMES);
  if (claim.granted) return claim.lease;
  throw new AppError('locked', `Run ${claim.holder} is in progress on this database`, {
    hint: `Nothing was changed. Wait until it is over: \`npx soulcaster-backup run ${claim.holder} --watch --env-file .env\`; it last renewed its lease ${Math.ceil(claim.ageMs / 1000)} s ago.`,
  });
}

/** Returns null if Upstash accepted the request, or the error if that is unknown. */
async function requestRestore(
  { account }: PerformPorts,
  { database, backup }: ProviderRestorePlan,
): Promise<AppError | null> {
  try {
    await account.restoreBackup(database.id, backup.id);
    return null;
  } catch (error) {
    if (error instanceof AppError && error.code === 'upstash-unavailable') return error;
    throw error;
  }
}

/** Whether Upstash refused the request, so that no restore is in progress. */
function isRefusal(error: unknown): boolean {
  return error instanceof AppError && REFUSALS.includes(error.code);
}

const REFUSALS: readonly string[] = ['upstash-denied', 'upstash-plan', 'upstash-refused', 'upstash-limit', 'not-found'];

function undoHint(undo: string): string {
  const hasSnapshot = !['empty', 'skipped', 'unreachable'].includes(undo);
  return hasSnapshot
    ? ` To restore the data from before: \`npx soulcaster-backup restore ${undo} --env-file .env\`.`
    : '';
}

function inspectFirst(undo: string): string {
  return `Check the Upstash console and the data before you do anything else.${undoHint(undo)}`;
}

/** A backup of unknown size may hold keys. */
function mayHoldKeys({ backup }: ProviderRestorePlan): boolean {
  return backup.bytes !== 0;
}

function emptiedError({ backup }: ProviderRestorePlan, undo: string): AppError {
  const although =
    backup.bytes === null ? "and the size of Upstash's backup is unknown" : "although Upstash's backup was not";
  return new AppError('not-proven', `The database is empty, ${although}`, {
    hint: `Restore a snapshot of this program instead: \`npx soulcaster-backup restore latest --env-file .env\`.${undoHint(undo)}`,
  });
}

interface WaitOptions {
  readonly interrupt: AbortSignal;
  /** Why it is unknown whether the restore began; null if it did. */
  readonly doubt: AppError | null;
  /** Called on every poll. */
  readonly keep: () => Promise<void>;
  /** What to do if the end is not seen. */
  readonly hint: string;
}

const POLL_MS = 3_000;
const WAIT_LIMIT_MS = 60 * 60_000;
/** The restore is over after this many consecutive polls without activity or a change of the number of keys. */
const STABLE_POLLS = 3;
/** As STABLE_POLLS, if no restore was seen to begin or the database is empty. */
const DOUBTFUL_POLLS = 10;

interface Observation {
  readonly busy: boolean;
  readonly keys: number | null;
}

/**
 * Waits for the end of a restore at Upstash and returns the number of keys; null if the database is not ours or does not
 * answer. Upstash does not report the end of a restore: it is over when nothing is in progress and the number of keys is
 * stable. Throws `interrupted`, and `upstash-unavailable` if the end is not seen within an hour, or if it is unknown whether
 * the restore began and nothing is seen of it.
 */
async function awaitRestore(ports: PlanPorts, plan: ProviderRestorePlan, options: WaitOptions): Promise<number | null> {
  const { clock } = ports;
  const since = clock.now();
  let stable = 0;
  let isBegun = options.doubt === null;
  let last: Observation = { busy: true, keys: null };
  for (;;) {
    if (clock.now() - since > WAIT_LIMIT_MS)
      throw endNotSeenError('upstash-unavailable', 'is not over after an hour', options);
    if (options.interrupt.aborted)
      throw endNotSeenError('interrupted', 'was still in progress when the wait was interrupted', options);
    await options.keep();
    const now = await observe(ports, plan);
    isBegun ||= now.busy;
    stable = !now.busy && now.keys === last.keys ? stable + 1 : 0;
    last = now;
    const isDoubtful = !isBegun || (now.keys === 0 && mayHoldKeys(plan));
    if (stable >= (isDoubtful ? DOUBTFUL_POLLS : STABLE_POLLS)) break;
    await clock.sleep(POLL_MS, options.interrupt);
  }
  if (isBegun) return last.keys;
  throw endNotSeenError(
    'upstash-unavailable',
    'may have begun: the answer was lost, and no restore is visible',
    options,
  );
}

/** A transient failure counts as in progress. */
async function observe({ account, redis }: PlanPorts, { database, ours }: ProviderRestorePlan): Promise<Observation> {
  try {
    const { busy, state } = await account.database(database.id);
    return { busy: busy !== null || state !== 'active', keys: ours ? await countKeys(redis) : null };
  } catch (error) {
    if (error instanceof AppError && error.transient) return { busy: true, keys: null };
    throw error;
  }
}

function endNotSeenError(
  code: 'interrupted' | 'upstash-unavailable',
  what: string,
  { doubt, hint }: WaitOptions,
): AppError {
  return new AppError(code, `The restore at Upstash ${what}`, { hint, ...(doubt === null ? {} : { cause: doubt }) });
}
