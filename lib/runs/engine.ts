import { AppError, toAppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { openAttempt, type Budget } from './attempt.js';
import { workPhases, type EnginePorts } from './attempt-work.js';
import { endRun, recordTaskFailure, willBeRetried } from './ending.js';
import { findMismatch, findResumeObstacle, isFromSource } from './fit.js';
import { workGroup } from './group-work.js';
import { isId, newId } from './ids.js';
import { claimLease, handOverLease, releaseLease, type Claim, type Held, type LeaseTimes } from './lease.js';
import { isLastTask } from './markers.js';
import { attemptMessage, parseMessage, publishRest, type TaskGroup } from './messages.js';
import { isOver, type RunDefinition, type RunRecord, type TaskPhase } from './model.js';
import { runsOf } from './recent.js';
import { createRun, loadRun, newRecord, runName, saveRun, type StartRequest } from './records.js';
import { canWait, changesOnWait, isWaiting, scheduleWake } from './waiting.js';

export type Started =
  | { readonly started: true; readonly run: RunRecord }
  /** Another run holds the lease. */
  | ({ readonly started: false } & Held);

/** Starts runs and works on them. Any process may call any method at any time, also concurrently. */
export interface Engine {
  /** Creates a run without working on it yet. */
  start(request: StartRequest): Promise<Started>;
  /**
   * Works on a run until it ends or the deadline is near, and then hands it over through the queue. Throws `busy` (transient)
   * while another attempt is in progress, and rethrows transient errors unless this is the last attempt: then the run fails.
   */
  work(id: string, budget: Budget): Promise<RunRecord>;
  /** Does what a queue message says. An outdated or duplicate message changes nothing. */
  deliver(body: string, budget: Budget): Promise<RunRecord>;
  /** Ends a run as failed with this error, even while an attempt works on it. A run that is over is left unchanged. */
  end(id: string, error: AppError): Promise<RunRecord>;
  /** Whether a run was started for the database that is protected here. */
  isOurs(run: RunRecord): boolean;
  /** Whether a stuck run should be resumed; if not, it should be ended. */
  mayResume(run: RunRecord): boolean;
  /** Publishes the first message of a run that was started. */
  enqueue(id: string): Promise<void>;
  /** Publishes a message for a stuck run, with a nonce, so that the queue does not drop it as a duplicate of an earlier one. */
  resume(id: string): Promise<void>;
}

/** `source`: the source of the database that is protected here; null where there is none. */
export function createEngine(
  ports: EnginePorts,
  definitions: readonly RunDefinition[],
  times: LeaseTimes,
  source: string | null = null,
): Engine {
  const definitionOf = (kind: string): RunDefinition => {
    const found = definitions.find((definition) => definition.kind === kind);
    if (found !== undefined) return found;
    throw new AppError('config', `A run of kind ${kind} cannot be worked on here`, {
      hint: 'Set the variables that it needs, as in the deployment that started it; .env.example lists them.',
    });
  };

  async function start(request: StartRequest): Promise<Started> {
    const leaseName = request.lease ?? definitionOf(request.kind).lease;
    const now = ports.clock.now();
    const id = newId(now);
    // Until the record exists the lease is held for one attempt only: a process that dies in between must not block others.
    const briefly = { ...times, holdMs: times.attemptTtlMs };
    const claim = await claimLease(ports, leaseName, id, briefly, times.holdMs);
    if (!claim.granted) {
      const { holder, lease, ageMs, waitMs } = claim;
      const [run] = await runsOf(ports.store, [holder]).catch(() => []);
      const other = run === undefined || isFromSource(run, source) ? null : run.source;
      return { started: false, holder, lease, ageMs, waitMs, ...(other === null ? {} : { otherSource: other }) };
    }
    const { fence, series = null } = claim.lease.document;
    const record = { ...newRecord(id, definitionOf(request.kind), request, fence, now, source), series };
    await createRun(ports.store, record);
    if (claim.displaced !== null) await endDisplaced(claim.displaced, id);
    await handOverLease(ports, claim.lease, times);
    ports.log.info('run-started', { run: id, kind: request.kind });
    return { started: true, run: record };
  }

  /** `counts`: whether an attempt without progress counts as stalled; one that a late message started does not. */
  async function work(id: string, budget: Budget, counts = true): Promise<RunRecord> {
    const before = await loadRun(ports.store, id);
    if (isOver(before.record) || isWaiting(before.record, ports.clock.now())) return before.record;
    const definition = definitionOf(before.record.kind);
    const objection =
      findMismatch(before.record, definition) ?? (await findResumeObstacle(ports, before.record, source));
    if (objection !== null) return end(id, objection);
    const claim = await claimForRun(before.record);
    if (!claim.granted && claim.ownRun)
      throw new AppError('busy', `Another attempt of run ${id} is in progress`, {
        hint: 'Nothing to do: the queue tries again later.',
        transient: true,
        retryAfterMs: Math.max(claim.waitMs, 1000),
      });
    if (!claim.granted) return endReplaced(id, claim.holder);
    if (claim.displaced !== null) await endDisplaced(claim.displaced, id);
    // Read again: the record may have changed, or the run may have ended, between the first read and the claim.
    const held = await loadRun(ports.store, id);
    if (isOver(held.record)) {
      await releaseLease(ports, claim.lease);
      return held.record;
    }
    const scheduled = await scheduleNextAttempt(held.record, claim.lease.document.fence, budget);
    const attempt = openAttempt(ports, times, held, claim.lease, budget);
    const allowed = { ...budget, lastAttempt: budget.lastAttempt || !scheduled.published };
    return workPhases(ports, definition, attempt, allowed, { counts, nextAttemptAt: scheduled.at });
  }

  /** An unreadable lease does not end the run: the lease can be taken a little later. */
  async function claimForRun(run: RunRecord): Promise<Claim> {
    try {
      return await claimLease(ports, run.lease, run.id, times);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'locked') throw error;
      throw new AppError('busy', error.message, {
        hint: error.hint,
        transient: true,
        retryAfterMs: error.retryAfterMs ?? times.attemptTtlMs,
      });
    }
  }

  /**
   * Publishes a delayed message that arrives when this attempt must be over, so that the run continues even if the attempt
   * died. A queue that cannot be reached must not stop the work.
   */
  async function scheduleNextAttempt(
    run: RunRecord,
    fence: number,
    budget: Budget,
  ): Promise<{ readonly published: boolean; readonly at: string | null }> {
    const delayMs = Math.max(0, budget.deadline - ports.clock.now()) + 2 * times.attemptTtlMs;
    const message = attemptMessage(run.id, run.leg, Math.ceil(delayMs / 1000), `-watch-${fence}`);
    try {
      await ports.queue.publish([message]);
      // An in-process queue dies with the process: then no other attempt begins.
      const isOfProcess = 'take' in ports.queue;
      return { published: true, at: isOfProcess ? null : new Date(ports.clock.now() + delayMs).toISOString() };
    } catch (error) {
      ports.log.warn('attempt-not-watched', { run: run.id, code: error instanceof AppError ? error.code : 'internal' });
      return { published: false, at: null };
    }
  }

  async function deliver(body: string, budget: Budget): Promise<RunRecord> {
    const message = parseMessage(body);
    const { record } = await loadRun(ports.store, message.run);
    if (isOver(record) || isWaiting(record, ports.clock.now())) return record;
    const objection = await findResumeObstacle(ports, record, source);
    if (objection !== null) return end(record.id, objection);
    const phase = definitionOf(record.kind).phases[record.phase];
    if ('task' in message && phase?.type === 'tasks' && message.phase === record.phase) {
      return deliverTasks(record, phase, { first: message.task, count: message.count }, budget);
    }
    const stale = 'task' in message || message.leg < record.leg;
    return stale ? tolerateBusy(record, () => work(record.id, budget, false)) : work(record.id, budget);
  }

  async function deliverTasks(run: RunRecord, phase: TaskPhase, group: TaskGroup, budget: Budget): Promise<RunRecord> {
    const { done, error, left } = await workGroup(ports, times, run, phase, group, budget);
    if (left.length > 0) {
      const failure = error === null ? null : toAppError(error);
      if (failure !== null && willBeRetried(failure, budget)) await recordTaskFailure(ports, run.id, failure);
      const continues = failure === null || (done > 0 && willBeRetried(failure, budget));
      if (!continues) return pauseOrEnd(run, failure, budget);
      await publishRest(ports, phase, run, left, failure?.retryAfterMs ?? 0);
      return run;
    }
    const last = Math.min(group.first + group.count, run.tasks) - 1;
    const isLast = await isLastTask(ports.store, run.id, run.phase, last, run.tasks);
    return isLast ? tolerateBusy(run, () => work(run.id, budget, false)) : run;
  }

  async function pauseOrEnd(run: RunRecord, cause: unknown, budget: Budget): Promise<RunRecord> {
    const error = toAppError(cause);
    if (!canWait(error, budget)) return end(run.id, error, budget);
    const held = await loadRun(ports.store, run.id);
    if (held.record.state !== 'running') return held.record;
    const next = { ...held.record, ...changesOnWait(ports.clock.now(), error) };
    const saved = await saveRun(ports.store, held, next).catch((conflict: unknown) => {
      if (conflict instanceof AppError && conflict.code === 'fenced') return held;
      throw conflict;
    });
    if (saved !== held) await scheduleWake(ports, saved.record);
    return saved.record;
  }

  /**
   * Ends the run that lost its lease to run `by`. Skipped for a holder that died before it had a record, that is no run, or
   * that is a run of another database: the latter notices the lost lease when it next checks.
   */
  async function endDisplaced(displaced: string, by: string): Promise<void> {
    const [run] = await runsOf(ports.store, [displaced]);
    if (run !== undefined ? isFromSource(run, source) : (await ports.store.read(runName(displaced))) !== null)
      await endReplaced(displaced, by);
  }

  function endReplaced(id: string, by: string): Promise<RunRecord> {
    const error = new AppError(
      'abandoned',
      `Run ${id} gave no sign of life for too long and was replaced by run ${by}`,
      {
        hint: 'Nothing to do if the later run succeeded; otherwise start it again.',
      },
    );
    return end(id, error);
  }

  function end(id: string, error: AppError, budget: Budget | null = null): Promise<RunRecord> {
    const definitionOfRun = (run: RunRecord) => definitions.find(({ kind }) => kind === run.kind);
    return endRun(ports, id, error, budget, {
      releaseResources: async (run) => definitionOfRun(run)?.releaseResources?.(run),
      describeRemains: async (run) => (await definitionOfRun(run)?.describeRemains?.(run)) ?? null,
    });
  }

  return {
    start,
    work,
    deliver,
    end,
    isOurs: (run) => isFromSource(run, source),
    mayResume(run) {
      const definition = definitions.find(({ kind }) => kind === run.kind);
      return definition?.mayResume?.(run, ports.clock.now()) ?? true;
    },
    enqueue: (id) => ports.queue.publish([attemptMessage(id, 0, 0)]),
    async resume(id) {
      const { leg: attempt } = (await loadRun(ports.store, id)).record;
      await ports.queue.publish([attemptMessage(id, attempt, 0, `-resume-${ports.clock.now()}`)]);
    },
  };
}

/**
 * Publishes a run that was started. If the queue does not accept it, the run ends as failed and the queue's error is
 * thrown: no other process would ever work on the run, and its lease would keep others from starting.
 */
export async function handOver(engine: Engine, id: string): Promise<void> {
  try {
    await engine.enqueue(id);
  } catch (error) {
    if (!(await endUnlessInProgress(engine, id, error))) throw error;
  }
}

/** Ends the run with the error of the queue, unless an attempt is in progress: then the queue had accepted the message and only its response was lost. */
async function endUnlessInProgress(engine: Engine, id: string, cause: unknown): Promise<boolean> {
  const budget = { deadline: 0, lastAttempt: true, interrupt: AbortSignal.abort(toAppError(cause)) };
  try {
    await engine.work(id, budget);
    return false;
  } catch (error) {
    return error instanceof AppError && error.code === 'busy';
  }
}

/**
 * Ends a run now, even while an attempt works on it: its lease and its locks on the application are freed, later messages
 * change nothing, and the attempt stops at its next write. A run that is over is left unchanged. Throws `not-found`.
 */
export function cancelRun(engine: Engine, id: string): Promise<RunRecord> {
  const error = new AppError('cancelled', `Run ${id} was cancelled`, {
    hint: 'Everything it had written remains, and it is not resumed.',
  });
  return engine.end(id, error);
}

/** Cancels the run if it has a record and is not over, and returns whether it did. Upstash's own restore, for one, has no record. */
export async function cancelIfOpen(engine: Engine, store: ObjectStore, id: string): Promise<boolean> {
  const [record] = isId(id) ? await runsOf(store, [id]) : [];
  if (record === undefined || isOver(record)) return false;
  await cancelRun(engine, id);
  return true;
}

async function tolerateBusy(run: RunRecord, work: () => Promise<RunRecord>): Promise<RunRecord> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError && error.code === 'busy') return run;
    throw error;
  }
}
