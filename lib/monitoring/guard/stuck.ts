import { AppError } from '../../errors.js';
import type { ObjectStore, Ports } from '../../ports/index.js';
import { isKnownKind, traitsOf } from '../../run-kinds.js';
import type { Budget } from '../../runs/attempt.js';
import { isOver, type RunRecord } from '../../runs/model.js';
import { ageOf, leaseHolders, leaseObject, readLease } from '../../runs/lease-document.js';
import type { LeaseTimes } from '../../runs/lease.js';
import { recentRuns, runsOf } from '../../runs/recent.js';
import { isResumeTimeImplausible, resumeTime } from '../../runs/waiting.js';
import type { Condition, Finding } from '../alerts/condition.js';
import { type GuardParts, shareOf, type Summary } from './parts.js';

const WEEK_MS = 7 * 24 * 3_600_000;
const MAX_RUNS = 200;
/** Tolerated delay of a waiting run: the queue is not punctual. */
const RESUME_DELAY_MS = 15 * 60_000;

interface Needs {
  readonly clock: Pick<Ports['clock'], 'now'>;
  readonly store: ObjectStore;
}

/**
 * Unfinished runs without a sign of life: their lease expired or belongs to another run. Checks the runs of the last week, and
 * older runs that hold a lease.
 */
async function stuckRuns(ports: Needs, times: LeaseTimes): Promise<RunRecord[]> {
  const recent = await recentRuns(ports.store, { since: ports.clock.now() - WEEK_MS, limit: MAX_RUNS });
  const known = new Set(recent.map(({ id }) => id));
  const holders = (await leaseHolders(ports.store)).filter((id) => !known.has(id));
  return stuckAmong(ports, [...recent, ...(await runsOf(ports.store, holders))], times);
}

/** The stuck runs among those given; kinds that this version does not know are ignored. Writes a probe to learn the store's time. */
export async function stuckAmong(ports: Needs, runs: readonly RunRecord[], times: LeaseTimes): Promise<RunRecord[]> {
  const stuck: RunRecord[] = [];
  for (const run of runs.filter((each) => !isOver(each) && isKnownKind(each.kind))) {
    const isStuck = run.state === 'waiting' ? isOverdue(run, ports.clock.now()) : await isSilent(ports, run, times);
    if (isStuck && (await isStillOpen(ports, run.id))) stuck.push(run);
  }
  return stuck;
}

function isOverdue(run: RunRecord, now: number): boolean {
  return now > resumeTime(run) + RESUME_DELAY_MS || isResumeTimeImplausible(run, now);
}

/**
 * Working attempts and finished tasks renew the lease, so it is more current than the record. Its age is measured by the
 * store's clock, so that a wrong clock on either side does not matter.
 */
async function isSilent({ store }: Needs, run: RunRecord, times: LeaseTimes): Promise<boolean> {
  const { document, exists } = await readLease(store, run.lease);
  if (exists && document === null) return isOlder(store, run.lease, times.holdMs);
  if (document?.holder !== run.id) return true;
  return isOlder(store, run.lease, document.holdMs);
}

async function isOlder(store: ObjectStore, lease: string, limitMs: number): Promise<boolean> {
  const age = await ageOf(store, leaseObject(lease));
  return age === null || age >= limitMs;
}

/** The run may have ended and released its lease between the two reads. */
async function isStillOpen({ store }: Needs, id: string): Promise<boolean> {
  const [run] = await runsOf(store, [id]);
  return run !== undefined && !isOver(run);
}

interface Resumed extends Finding {
  readonly summary: Summary;
}

/**
 * Resumes runs without a live attempt, over the queue or, without a queue, in this process. Runs that may not be resumed
 * (`mayResume`) are ended as failed.
 */
export async function resumeStuck(parts: GuardParts, budget: Budget): Promise<Resumed> {
  const conditions: Condition[] = [];
  let ended = 0;
  const found = (await stuckRuns(parts.ports, parts.times)).filter((run) => parts.engine.isOurs(run));
  for (const run of found) {
    const mayResume = parts.engine.mayResume(run);
    if (mayResume) await resumeRun(parts, run, budget);
    else await endRun(parts, run);
    if (!mayResume) ended += 1;
    conditions.push(stuckCondition(run, mayResume ? 'the guard resumed it' : 'the guard ended it as failed'));
  }
  const summary = { stuck: found.length, resumed: found.length - ended, ended };
  return { summary, conditions, evaluated: new Set(['run-stuck']) };
}

async function endRun({ engine }: GuardParts, { id }: RunRecord): Promise<void> {
  const error = new AppError('abandoned', `Run ${id} gave no sign of life for too long, and the guard ended it`, {
    hint: 'Check the log for what ended its last attempt (time limit, memory, a service that is down), then start it again.',
  });
  await engine.end(id, error);
}

async function resumeRun(
  { engine, ports, queued, work }: GuardParts,
  { id }: RunRecord,
  budget: Budget,
): Promise<void> {
  try {
    if (queued) await engine.resume(id);
    else await work(id, shareOf(budget, ports.clock, 1 / 2));
  } catch (error) {
    // Another attempt works on the run.
    if (!(error instanceof AppError && error.code === 'busy')) throw error;
  }
}

/** `outcome`: what the guard did, or will do. */
export function stuckCondition(run: RunRecord, outcome: string): Condition {
  return {
    code: 'run-stuck',
    subject: run.id,
    message: `Run ${run.id}, a ${traitsOf(run.kind).title}, has given no sign of life since ${run.updatedAt}: ${outcome}.`,
    hint: 'Check the QStash console for undelivered messages and the log of /api/tasks; `npx soulcaster-backup doctor --env-file .env` tests whether messages arrive there.',
  };
}
