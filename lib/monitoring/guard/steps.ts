import { AHEAD_MS } from '../../snapshot/order.js';
import { AppError, type ErrorCode, toAppError } from '../../errors.js';
import type { Ports } from '../../ports/index.js';
import type { PrunePorts } from '../../retention/prune/prune.js';
import { type Outcome, upkeep, type UpkeepRequest } from '../../retention/upkeep.js';
import type { Budget } from '../../runs/attempt.js';
import { handOver } from '../../runs/engine.js';
import { timeOfId } from '../../runs/ids.js';
import type { RunRecord } from '../../runs/model.js';
import { recentRuns, runsOf } from '../../runs/recent.js';
import { snapshotIds } from '../../snapshot/catalog.js';
import { checkChain } from '../../snapshot/chain.js';
import { SNAPSHOT } from '../../snapshot/kinds.js';
import { startSnapshot } from '../../snapshot/run.js';
import { trustContext, type TrustContext } from '../../snapshot/trust.js';
import { ownDrills } from '../facts.js';
import type { Finding } from '../alerts/condition.js';
import { wasStopped } from '../alerts/from-runs.js';
import { lastVerdict, timeOf, withRunOutcome } from '../drill-view.js';
import {
  DRILL_EVERY_MS,
  DRILL_RETRY_MS,
  isYoung,
  mayBeOlder,
  recoveryPoint,
  type RecoveryPoint,
  RPO_HOURS,
  RPO_MS,
  SNAPSHOT_AFTER_MS,
} from '../objectives.js';
import { ensureSchedule } from '../schedulers.js';
import { type GuardParts, shareOf, type Summary } from './parts.js';

/** Takes a snapshot if the newest good one is too old, or may be, and none is under way. */
export async function snapshotStep(parts: GuardParts, budget: Budget): Promise<Summary> {
  const { engine, ports, queued, work } = parts;
  const context = await trustContext(ports, ports.own);
  const point = await recoveryPoint(context);
  const { ageHours, ageMs, newest } = point;
  if (newest !== null && isYoung({ ageMs }) && !(await mayBeOlder(context, newest)))
    return { state: 'young', ageHours };
  if (await isRepetition(context, point)) return { state: 'not-repeated', ageHours };
  const started = await startSnapshot(engine, 'guard');
  if (!started.started) return { state: 'under-way', ageHours, run: started.holder };
  const { id } = started.run;
  if (queued && (await tryEnqueue(parts, id))) return { state: 'started', ageHours, run: id };
  const run = await work(id, shareOf(budget, ports.clock, 3 / 4)).catch((error: unknown) => {
    // The queue had taken the run, and only its answer was lost.
    if (queued && error instanceof AppError && error.code === 'busy') return null;
    throw error;
  });
  return { state: run?.state ?? 'started', ageHours, run: id };
}

/** Turns of the guard are not punctual. */
const SLACK_MS = 10 * 60_000;

const HOUR_MS = 3_600_000;
/** Long enough for a streak that has reached the longest wait. */
const STREAK_MS = 9 * SNAPSHOT_AFTER_MS;
const MOST_RUNS = 60;

/**
 * Whether the guard should wait before it takes another snapshot, because the newest ones are doubtful or incomplete, or
 * failed after they had read the database, and the next would most likely end the same: an hour after one, two after two,
 * up to the usual 8 hours.
 */
export async function isRepetition(
  { clock, sources, store }: TrustContext,
  { newest, passedOver }: Pick<RecoveryPoint, 'newest' | 'passedOver'>,
): Promise<boolean> {
  const now = clock.now();
  const other = passedOver.findIndex(({ state }) => state !== 'doubtful' && state !== 'incomplete');
  const streak = other < 0 ? passedOver : passedOver.slice(0, other);
  const after = passedOver[other]?.id ?? newest?.id ?? '';
  const runs = await recentRuns(store, { since: now - STREAK_MS, limit: MOST_RUNS });
  const failed = runs.filter(
    (run) =>
      hasFailedLate(run) &&
      run.id > after &&
      timeOfId(run.id) <= now &&
      (run.source === null || (sources?.has(run.source) ?? true)),
  );
  const ids = [...streak, ...failed].map(({ id }) => id).sort();
  const ageMs = now - timeOfId(ids.at(-1) ?? '');
  return ids.length > 0 && ageMs >= 0 && ageMs < Math.min(ids.length * HOUR_MS, SNAPSHOT_AFTER_MS) - SLACK_MS;
}

/** Whether a snapshot run failed although it had read keys. One that failed before costs little to repeat. */
function hasFailedLate(run: RunRecord): boolean {
  const { kind, phase, progress, state } = run;
  return kind === SNAPSHOT.kind && state === 'failed' && (progress.done > 0 || phase !== 'scan') && !wasStopped(run);
}

/** Hands a run to the queue; false if the queue refuses it, so that the guard does the work itself. */
async function tryEnqueue({ engine, ports }: GuardParts, id: string): Promise<boolean> {
  try {
    await engine.enqueue(id);
    return true;
  } catch (error) {
    ports.log.warn('guard-works-without-queue', { run: id, code: toAppError(error).code });
    return false;
  }
}

/** Number of findings that an alert names. */
const MAX_NAMED = 5;

/** Checks the chain of all snapshots. */
export async function chainStep(
  ports: Pick<Ports, 'signer' | 'store'>,
): Promise<Finding & { readonly summary: Summary }> {
  const findings = await checkChain(ports);
  const newest = (await snapshotIds(ports.store)).at(-1) ?? '';
  const isWholeSince = !findings.some(({ detail, subject }) => detail.includes(newest) || subject.includes(newest));
  const named = findings.slice(0, MAX_NAMED).map(({ code, subject }) => `${code} ${subject}`);
  const more = findings.length > MAX_NAMED ? ` and ${findings.length - MAX_NAMED} more` : '';
  const condition = {
    code: 'chain-broken',
    subject: 'chain',
    message: `Snapshots were altered or removed: ${named.join('; ')}${more}`,
    hint: 'Find out who writes to the bucket. Restore older versions of the objects named, or take a snapshot now and rely on that: the alert then ends once it was sent. Without an alert channel, end it: `npx soulcaster-backup alerts ack chain-broken --reason TEXT --env-file .env`.',
    // A sent alert ends with an unaltered snapshot taken after it.
    ...(newest !== '' && isWholeSince ? { endsWith: timeOfId(newest) } : {}),
  } as const;
  return {
    summary: { findings: findings.length },
    conditions: findings.length === 0 ? [] : [condition],
    evaluated: new Set(['chain-broken']),
  };
}

/** Starts a drill if one is due and there are a scratch database and a snapshot. */
export async function drillStep(parts: GuardParts, budget: Budget): Promise<Summary> {
  const { engine, ports, queued, startDrill, work } = parts;
  if (parts.drilledBy === null) return { state: 'not-configured' };
  // The functions cannot decrypt snapshots: the drill would fail.
  if (parts.drilledBy === 'operator') return { state: 'left-to-operator' };
  const context = await trustContext(ports, ports.own);
  if (!(await isDue(parts, context))) return { state: 'not-due' };
  if ((await recoveryPoint(context)).newest === null) return { state: 'no-snapshot' };
  const started = await startDrill();
  if (!started.started) return { state: 'under-way', run: started.holder };
  const { id } = started.run;
  if (queued) {
    await handOver(engine, id);
    return { state: 'started', run: id };
  }
  const run = await work(id, shareOf(budget, ports.clock, 3 / 4));
  return { state: run.state, run: id };
}

/** A drill is due every week, and a day after a drill without a verdict. */
async function isDue({ drills, ports }: GuardParts, context: TrustContext): Promise<boolean> {
  const now = ports.clock.now();
  const read = await ownDrills(context, drills);
  const runs = await runsOf(
    ports.store,
    read.drills.filter(({ outcome }) => outcome === 'started').map(({ id }) => id),
  );
  const history = { ...read, drills: read.drills.map((drill) => withRunOutcome(drill, runs, now)) };
  const verdict = lastVerdict(history, now);
  if (verdict !== null && now - timeOf(verdict) < DRILL_EVERY_MS) return false;
  const last = history.drills.find((drill) => timeOf(drill) <= now + AHEAD_MS);
  return last === undefined || last === verdict || now - timeOf(last) >= DRILL_RETRY_MS;
}

/** Ensures that the queue calls the guard as well, if there is a queue. */
export async function scheduleStep({ schedule }: Pick<GuardParts, 'schedule'>): Promise<Summary> {
  if (schedule === null) return { state: 'not-configured' };
  const { answers, open, wanted } = schedule;
  const state = await ensureSchedule(open(), wanted, answers);
  return state === 'left-unchanged' ? { state, 'no-answer-at': wanted.destination } : { state };
}

export type UpkeepSettings = Pick<UpkeepRequest, 'replica' | 'settings'>;

/** Another process is doing the same. */
const CONCURRENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['locked', 'busy', 'fenced']);

/**
 * Prunes and replicates until the deadline. Throws the first failure after trying everything; another process doing the same
 * is no failure. A second store that is a day behind is a failure: there, too, at most a day may be lost.
 */
export async function upkeepStep(
  ports: PrunePorts,
  settings: UpkeepSettings,
  { deadline, interrupt }: Budget,
): Promise<Summary> {
  const { prune, replica, replicaPrune } = await upkeep(ports, { ...settings, deadline, interrupt });
  const outcomes: readonly Outcome<unknown>[] = [prune, replica, replicaPrune];
  for (const outcome of outcomes) {
    if (outcome.state !== 'skipped' && outcome.error !== null && !CONCURRENT.has(outcome.error.code))
      throw outcome.error;
  }
  if (replica.state === 'done' && replica.result.behindMs > RPO_MS) {
    const { left } = replica.result;
    throw new AppError(
      'incomplete',
      `The second store has nothing of the last ${RPO_HOURS} hours: ${left} ${left === 1 ? 'snapshot waits' : 'snapshots wait'} to be copied`,
      {
        hint: 'The guard has too little time to copy them. Run it on a terminal: `npx soulcaster-backup replicate --env-file .env`.',
      },
    );
  }
  return {
    prune: prune.state === 'done' && prune.result.held !== null ? `held: ${prune.result.held}` : prune.state,
    removed: prune.state === 'done' ? prune.result.snapshots.removed : 0,
    replica: replica.state === 'skipped' ? replica.reason : replica.state,
    copied: replica.state === 'done' ? replica.result.copied : 0,
    left: replica.state === 'done' ? replica.result.left : null,
  };
}
