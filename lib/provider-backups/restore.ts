import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/index.js';
import { newId } from '../runs/ids.js';
import { claimLease, releaseLease, renewLease, type Lease, type LeaseTimes } from '../runs/lease.js';
import { sourceOf } from '../snapshot/source.js';
import { addMark, removeMarks } from '../snapshot/unfinished-marks.js';
import { DATABASE_LEASE } from '../snapshot/run.js';
import { type PlanPorts, type ProviderRestorePlan, keysIn } from './plan.js';

export interface PerformPorts extends PlanPorts {
  readonly store: ObjectStore;
}

interface PerformOptions {
  /** Takes a snapshot of ours of what is there now, and gives its id; null: it is not to be taken. */
  readonly safety: (() => Promise<string>) | null;
  readonly interrupt: AbortSignal;
}

interface ProviderRestored {
  /** Id of the snapshot that undoes it; `empty`: nothing was there; `unreachable`: nothing could be read; `skipped`. */
  readonly undo: string;
  /** Keys in the database now; null where it is not ours, or does not answer. */
  readonly keys: number | null;
  readonly milliseconds: number;
}

/** A process that dies leaves the restore to Upstash; then the database is ours again soon. */
const TIMES: LeaseTimes = { attemptTtlMs: 60_000, holdMs: 5 * 60_000 };

/**
 * Replaces everything in a database by one of Upstash's backups, and sees it to its end. First what is there is saved
 * with a snapshot of ours. Meanwhile no run of ours may have the database. Throws, besides what ports and `safety`
 * throw, `locked` when one has it, `usage` when what is there cannot be saved by us, `not-proven` when the database is
 * empty afterwards though the backup was not, and `interrupted` and `upstash-unavailable` when its end was not seen.
 */
export async function performRestore(
  ports: PerformPorts,
  plan: ProviderRestorePlan,
  options: PerformOptions,
): Promise<ProviderRestored> {
  const since = ports.clock.now();
  const undo = await save(plan, options.safety);
  let lease = plan.ours ? await hold(ports) : null;
  const marked = await mark(ports, plan, since);
  const keep = async (): Promise<void> => {
    if (lease !== null) lease = await renewLease(ports, lease, TIMES);
  };
  let keys: number | null;
  try {
    const doubt = await begin(ports, plan);
    keys = await awaitRestore(ports, plan, { interrupt: options.interrupt, doubt, keep, hint: inspectFirst(undo) });
  } catch (error) {
    // What may be under way at Upstash must not meet a run of ours: then the lease is left to run out.
    if (isRefusal(error)) {
      await marked.end((each) => each === marked.run);
      if (lease !== null) await releaseLease(ports, lease);
    }
    throw error;
  }
  const isEmptied = keys === 0 && mayHoldKeys(plan);
  // Everything was replaced: what earlier restores left half done is gone with the rest. Of one that does not answer nobody knows.
  const isSeen = !plan.ours || keys !== null;
  if (!isEmptied && isSeen) await marked.end(() => true);
  if (lease !== null) await releaseLease(ports, lease);
  if (isEmptied) throw emptied(plan, undo);
  return { undo, keys, milliseconds: ports.clock.now() - since };
}

/** Until its end was seen, what the database holds may be partly old and partly restored. */
async function mark({ store }: PerformPorts, { backup, database }: ProviderRestorePlan, now: number) {
  const run = newId(now);
  const source = sourceOf(database.host);
  const since = new Date(now).toISOString();
  const hint = `\`npx soulcaster-backup upstash backups restore ${backup.id} --env-file .env\``;
  await addMark(store, source, { run, scope: { all: true }, since, kind: 'restore by Upstash', hint });
  return { run, end: (isOver: (run: string) => boolean) => removeMarks(store, source, (each) => isOver(each.run)) };
}

async function save({ keys, ours, reachable }: ProviderRestorePlan, safety: PerformOptions['safety']): Promise<string> {
  if (safety === null) return 'skipped';
  if (!ours) throw notOurs();
  if (reachable === false) return 'unreachable';
  return keys === 0 ? 'empty' : safety();
}

async function hold(ports: PerformPorts): Promise<Lease> {
  const claim = await claimLease(ports, DATABASE_LEASE, newId(ports.clock.now()), TIMES);
  if (claim.granted) return claim.lease;
  throw new AppError('locked', `Run ${claim.holder} is in progress on this database`, {
    hint: `Nothing was changed. Wait until it is over: \`npx soulcaster-backup run ${claim.holder} --watch --env-file .env\`; it last renewed its lease ${Math.ceil(claim.ageMs / 1000)} s ago.`,
  });
}

/** Null when Upstash said yes, the error when it is not known whether it did. */
async function begin({ account }: PerformPorts, { database, backup }: ProviderRestorePlan): Promise<AppError | null> {
  try {
    await account.restoreBackup(database.id, backup.id);
    return null;
  } catch (error) {
    if (error instanceof AppError && error.code === 'upstash-unavailable') return error;
    throw error;
  }
}

/** Whether Upstash said no, so that nothing is under way. */
function isRefusal(error: unknown): boolean {
  return error instanceof AppError && REFUSALS.includes(error.code);
}

const REFUSALS: readonly string[] = ['upstash-denied', 'upstash-plan', 'upstash-refused', 'upstash-limit', 'not-found'];

function notOurs(): AppError {
  return new AppError('usage', 'The database is not the one of UPSTASH_REDIS_REST_URL, so it cannot be saved first', {
    hint: 'Set UPSTASH_REDIS_ID to the id of the database that is backed up; or give --no-safety if it is another on purpose.',
  });
}

function wayBack(undo: string): string {
  const known = !['empty', 'skipped', 'unreachable'].includes(undo);
  return known ? ` What was there before: \`npx soulcaster-backup restore ${undo} --env-file .env\`.` : '';
}

function inspectFirst(undo: string): string {
  return `Look in the Upstash console, and at the data, before anything else is done.${wayBack(undo)}`;
}

/** A backup whose size is not known may hold as much as any other. */
function mayHoldKeys({ backup }: ProviderRestorePlan): boolean {
  return backup.bytes !== 0;
}

function emptied({ backup }: ProviderRestorePlan, undo: string): AppError {
  const although =
    backup.bytes === null ? 'and the size of its backup is not known' : "although Upstash's backup was not";
  return new AppError('not-proven', `The database is empty, ${although}`, {
    hint: `Restore a snapshot of this program instead: \`npx soulcaster-backup restore latest --env-file .env\`.${wayBack(undo)}`,
  });
}

interface WaitOptions {
  readonly interrupt: AbortSignal;
  /** Why it is not known whether the restore began; null when it did. */
  readonly doubt: AppError | null;
  /** Called at every look. */
  readonly keep: () => Promise<void>;
  /** What to do when the end is not seen. */
  readonly hint: string;
}

const POLL_MS = 3_000;
const PATIENCE_MS = 60 * 60_000;
/** Looks in a row at which nothing is under way and the number of keys stays: it is over. */
const QUIET_POLLS = 3;
/** The same where what is seen is not what should be: nothing begun, or nothing in it. */
const DOUBTFUL_POLLS = 10;

interface Observation {
  readonly busy: boolean;
  readonly keys: number | null;
}

/**
 * Waits for the end of a restore at Upstash, and gives the number of keys then: null where the database is not ours or
 * does not answer. Upstash does not say when a restore is over: it is when nothing is under way any more, and the number
 * of keys stays. Throws `interrupted`, and `upstash-unavailable` when the end is not seen within an hour, or nothing is
 * seen of one that is in doubt.
 */
async function awaitRestore(ports: PlanPorts, plan: ProviderRestorePlan, watch: WaitOptions): Promise<number | null> {
  const { clock } = ports;
  const since = clock.now();
  let quiet = 0;
  let sure = watch.doubt === null;
  let last: Observation = { busy: true, keys: null };
  for (;;) {
    if (clock.now() - since > PATIENCE_MS) throw unseen('upstash-unavailable', 'is not over after an hour', watch);
    if (watch.interrupt.aborted) throw unseen('interrupted', 'is no longer watched', watch);
    await watch.keep();
    const now = await observe(ports, plan);
    sure ||= now.busy;
    quiet = !now.busy && now.keys === last.keys ? quiet + 1 : 0;
    last = now;
    const isOdd = !sure || (now.keys === 0 && mayHoldKeys(plan));
    if (quiet >= (isOdd ? DOUBTFUL_POLLS : QUIET_POLLS)) break;
    await clock.sleep(POLL_MS, watch.interrupt);
  }
  if (sure) return last.keys;
  throw unseen('upstash-unavailable', 'may have begun: the answer was lost, and nothing is seen of it', watch);
}

/** What cannot be asked just now counts as under way. */
async function observe({ account, redis }: PlanPorts, { database, ours }: ProviderRestorePlan): Promise<Observation> {
  try {
    const { busy, state } = await account.database(database.id);
    return { busy: busy !== null || state !== 'active', keys: ours ? await keysIn(redis) : null };
  } catch (error) {
    if (error instanceof AppError && error.transient) return { busy: true, keys: null };
    throw error;
  }
}

function unseen(code: 'interrupted' | 'upstash-unavailable', what: string, { doubt, hint }: WaitOptions): AppError {
  return new AppError(code, `The restore at Upstash ${what}`, { hint, ...(doubt === null ? {} : { cause: doubt }) });
}
