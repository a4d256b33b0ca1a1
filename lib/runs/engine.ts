import { AppError, toAppError } from '../errors.js';
import { newId } from './ids.js';
import { isOfSource, objectionTo, whyNotResumed } from './fit.js';
import type { Held } from './held.js';
import { claimLease, handOverLease, releaseLease, type Claim, type LeaseTimes } from './lease.js';
import { openAttempt, type Budget } from './attempt.js';
import { workGroup } from './group-work.js';
import type { TaskGroup } from './groups.js';
import { handOutRest } from './hand-out.js';
import { workPhases, type EnginePorts } from './attempt-work.js';
import { isLastTask } from './markers.js';
import { attemptMessage, parseMessage } from './messages.js';
import type { RunDefinition, RunRecord, TaskPhase } from './model.js';
import { endRun, isOver, noteFailure, willBeRetried } from './ending.js';
import { asleep, callLater, isAsleep, mayWait } from './waiting.js';
import { runsOf } from './recent.js';
import { createRun, loadRun, newRecord, runName, saveRun, type StartRequest } from './records.js';

export type Started =
  | { readonly started: true; readonly run: RunRecord }
  /** Another run holds the lease. */
  | ({ readonly started: false } & Held);

/** Starts runs and moves them on. All methods may be called by any process at any time, also at the same time. */
export interface Engine {
  /** Makes a run without working on it yet. */
  start(request: StartRequest): Promise<Started>;
  /**
   * Works on a run until it ends or the deadline comes, and hands it on through the queue. Throws `busy` (transient)
   * while another attempt is in progress, and passes transient errors on unless this is the last attempt: then the run fails.
   */
  work(id: string, budget: Budget): Promise<RunRecord>;
  /** Does what a queue message says. A message that is out of date or a double changes nothing. */
  deliver(body: string, budget: Budget): Promise<RunRecord>;
  /** Ends a run as failed with this error, whoever works on it; one that is over stays as it is. */
  end(id: string, error: AppError): Promise<RunRecord>;
  /** Whether a run was started for the database that is protected here. */
  isOurs(run: RunRecord): boolean;
  /** Whether it is worth while to resume a run that stands still; what it is not worth while with is to be ended. */
  mayResume(run: RunRecord): boolean;
  /** Has the queue begin with a run that was started. */
  enqueue(id: string): Promise<void>;
  /** Has the queue go on with a run of which nothing was heard, with a message that it cannot take for an earlier one. */
  resume(id: string): Promise<void>;
}

/** `source`: of the database that is protected here; null where there is none. */
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
      hint: 'Set the variables that it needs, as where it was started; .env.example names them.',
    });
  };

  async function start(request: StartRequest): Promise<Started> {
    const leaseName = request.lease ?? definitionOf(request.kind).lease;
    const now = ports.clock.now();
    const id = newId(now);
    // Held no longer than an attempt until there is a record: a process that dies in between must not block the next.
    const briefly = { ...times, holdMs: times.attemptTtlMs };
    const claim = await claimLease(ports, leaseName, id, briefly, times.holdMs);
    if (!claim.granted) {
      const { holder, ageMs, waitMs } = claim;
      return { started: false, holder, lease: leaseName, ageMs, waitMs };
    }
    const record = newRecord(id, definitionOf(request.kind), request, claim.lease.document.fence, now, source);
    await createRun(ports.store, record);
    if (claim.displaced !== null) await giveUp(claim.displaced, id);
    await handOverLease(ports, claim.lease, times);
    ports.log.info('run-started', { run: id, kind: request.kind });
    return { started: true, run: record };
  }

  /** `counts`: whether an attempt that gets nowhere is a sign of trouble; one that a late message called is not. */
  async function work(id: string, budget: Budget, counts = true): Promise<RunRecord> {
    const before = await loadRun(ports.store, id);
    if (isOver(before.record) || isAsleep(before.record, ports.clock.now())) return before.record;
    const definition = definitionOf(before.record.kind);
    const objection = objectionTo(before.record, definition) ?? (await whyNotResumed(ports, before.record, source));
    if (objection !== null) return end(id, objection);
    const claim = await claimOwn(before.record);
    if (!claim.granted && claim.ownRun) throw busy(id, claim.waitMs);
    if (!claim.granted) return abandon(id, claim.holder);
    if (claim.displaced !== null) await giveUp(claim.displaced, id);
    // Read again: the record may have moved on, or come to its end, between the first look and the claim.
    const held = await loadRun(ports.store, id);
    if (isOver(held.record)) {
      await releaseLease(ports, claim.lease);
      return held.record;
    }
    const scheduled = await scheduleNext(held.record, claim.lease.document.fence, budget);
    const attempt = openAttempt(ports, times, held, claim.lease, budget);
    const allowed = { ...budget, lastAttempt: budget.lastAttempt || !scheduled.published };
    return workPhases(ports, definition, attempt, allowed, { counts, nextAttemptAt: scheduled.at });
  }

  /** A lease that cannot be read is no reason to give the run up: it can be taken again a little later. */
  async function claimOwn(run: RunRecord): Promise<Claim> {
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
   * Has the queue look after this attempt when it must be over: whatever ended it, the run then continues. A queue that
   * cannot be reached must not stop the work itself.
   */
  async function scheduleNext(
    run: RunRecord,
    fence: number,
    budget: Budget,
  ): Promise<{ readonly published: boolean; readonly at: string | null }> {
    const delayMs = Math.max(0, budget.deadline - ports.clock.now()) + 2 * times.attemptTtlMs;
    const message = attemptMessage(run.id, run.leg, Math.ceil(delayMs / 1000), `-watch-${fence}`);
    try {
      await ports.queue.publish([message]);
      // A queue within this process is gone with it: then nobody begins another attempt.
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
    if (isOver(record) || isAsleep(record, ports.clock.now())) return record;
    const objection = await whyNotResumed(ports, record, source);
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
      if (failure !== null && willBeRetried(failure, budget)) await noteFailure(ports, run.id, failure);
      const goesOn = failure === null || (done > 0 && willBeRetried(failure, budget));
      if (!goesOn) return pauseOrEnd(run, failure, budget);
      await handOutRest(ports, phase, run, left, failure?.retryAfterMs ?? 0);
      return run;
    }
    const last = Math.min(group.first + group.count, run.tasks) - 1;
    const isLast = await isLastTask(ports.store, run.id, run.phase, last, run.tasks);
    return isLast ? tolerateBusy(run, () => work(run.id, budget, false)) : run;
  }

  async function pauseOrEnd(run: RunRecord, cause: unknown, budget: Budget): Promise<RunRecord> {
    const error = toAppError(cause);
    if (!mayWait(error, budget)) return end(run.id, error, budget);
    const held = await loadRun(ports.store, run.id);
    if (held.record.state !== 'running') return held.record;
    const next = { ...held.record, ...asleep(ports.clock.now(), error) };
    const saved = await saveRun(ports.store, held, next).catch((conflict: unknown) => {
      if (conflict instanceof AppError && conflict.code === 'fenced') return held;
      throw conflict;
    });
    if (saved !== held) await callLater(ports, saved.record);
    return saved.record;
  }

  /**
   * A holder that died before it had a record, or that is no run, leaves nothing to be ended. One of another database finds
   * by itself that it has lost its lease.
   */
  async function giveUp(displaced: string, by: string): Promise<void> {
    const [run] = await runsOf(ports.store, [displaced]);
    if (run !== undefined ? isOfSource(run, source) : (await ports.store.read(runName(displaced))) !== null)
      await abandon(displaced, by);
  }

  function abandon(id: string, by: string): Promise<RunRecord> {
    const error = new AppError('abandoned', `Run ${id} was not heard of for too long and run ${by} took its place`, {
      hint: 'Nothing to do if the later run succeeded; else start it again.',
    });
    return end(id, error);
  }

  function end(id: string, error: AppError, budget: Budget | null = null): Promise<RunRecord> {
    const definitionOf = (run: RunRecord) => definitions.find(({ kind }) => kind === run.kind);
    return endRun(ports, id, error, budget, {
      letGo: async (run) => definitionOf(run)?.letGo?.(run),
      leaves: async (run) => (await definitionOf(run)?.leaves?.(run)) ?? null,
    });
  }

  return {
    start,
    work: (id, budget) => work(id, budget),
    deliver,
    end: (id, error) => end(id, error),
    isOurs: (run) => isOfSource(run, source),
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

async function tolerateBusy(run: RunRecord, work: () => Promise<RunRecord>): Promise<RunRecord> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError && error.code === 'busy') return run;
    throw error;
  }
}

function busy(id: string, waitMs: number): AppError {
  return new AppError('busy', `Another attempt of run ${id} is in progress`, {
    hint: 'Nothing to do: the queue asks again later.',
    transient: true,
    retryAfterMs: Math.max(waitMs, 1000),
  });
}
