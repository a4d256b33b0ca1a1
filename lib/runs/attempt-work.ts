import pLimit from 'p-limit';
import pMap from 'p-map';
import { AppError, toAppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { type Budget, hasAdvanced, type OpenAttempt } from './attempt.js';
import { changesOnEnd, changesOnFailedAttempt, failureWithRemains, releaseOrWarn, willBeRetried } from './ending.js';
import { missingTasks, writeMarker } from './markers.js';
import { attemptMessage, publishTasks } from './messages.js';
import type { RunDefinition, RunRecord, SerialPhase, StepOutcome, TaskPhase } from './model.js';
import { canWait, changesOnWait, changesOnWake, scheduleWake } from './waiting.js';

export type EnginePorts = Pick<Ports, 'clock' | 'log' | 'queue' | 'store'>;

const PROGRESS_INTERVAL_MS = 1000;
/** With the delay of the message that `scheduleNextAttempt` publishes, a service may be down for about an hour before a run fails. */
const MAX_STALLS = 12;

/** How an attempt was called. */
export interface Call {
  /** Whether this attempt counts towards `MAX_STALLS` if it makes no progress. */
  readonly counts: boolean;
  /** When the queue starts the next attempt if this one does not end the run. */
  readonly nextAttemptAt: string | null;
}

/** Whether the attempt continues with the record's current phase, or has ended or handed over the run. */
type Next = 'continue' | 'done';

/**
 * Works on phase after phase until the run ends or time is up. Closes the attempt in every case.
 */
export async function workPhases(
  ports: EnginePorts,
  definition: RunDefinition,
  attempt: OpenAttempt,
  budget: Budget,
  { counts, nextAttemptAt }: Call,
): Promise<RunRecord> {
  try {
    // The first write of an attempt: from here on, earlier attempts of the run are fenced off.
    const { attempts, stalls } = attempt.run;
    await attempt.update({
      ...changesOnWake(attempt.run),
      stalls: stalls + (counts ? 1 : 0),
      attempts: attempts + 1,
      nextAttemptAt,
    });
    throwIfStalled(attempt);
    let next: Next = 'continue';
    while (next === 'continue') {
      throwIfStopped(attempt, budget);
      const phase = phaseOf(definition, attempt.run.phase);
      next =
        phase.type === 'serial'
          ? await workSerial(ports, definition, phase, attempt)
          : await workTasks(ports, definition, phase, attempt);
    }
  } catch (error) {
    await closeOnError(ports, definition, attempt, error, budget);
  }
  return attempt.run;
}

async function workSerial(
  ports: EnginePorts,
  definition: RunDefinition,
  phase: SerialPhase,
  attempt: OpenAttempt,
): Promise<Next> {
  const outcome = await phase.step(attempt);
  if (outcome.to === 'end') return endAttempt(ports, definition, attempt, outcome);
  const { checkpoint, progress } = outcome;
  // `stalls` is kept when there is no progress, so that a run cannot hand over from message to message for ever.
  const advanced = outcome.to === 'phase' || hasAdvanced(progress, attempt.run.progress);
  const changes = { checkpoint, progress, leg: attempt.run.leg + 1, stalls: advanced ? 0 : attempt.run.stalls };
  if (outcome.to === 'phase') {
    const entered = {
      ...attempt.run,
      ...changes,
      ...changesOnPhase(ports, definition, attempt.run, outcome.phase),
      tasks: outcome.tasks,
    };
    const next = phaseOf(definition, outcome.phase);
    await attempt.update({ ...entered, progress: next.type === 'tasks' ? next.progress(entered, 0) : progress });
    if (!attempt.timeIsUp()) return 'continue';
  } else {
    await attempt.update(changes);
  }
  await attempt.close('hand-over');
  await ports.queue.publish([attemptMessage(attempt.run.id, attempt.run.leg, 0)]);
  return 'done';
}

async function workTasks(
  ports: EnginePorts,
  definition: RunDefinition,
  phase: TaskPhase,
  attempt: OpenAttempt,
): Promise<Next> {
  const { id, phase: name, tasks } = attempt.run;
  if (phase.inline > 0) await workInline(ports, phase, attempt);
  const missing = await missingTasks(ports.store, id, name, tasks);
  if (missing.length === 0) {
    const progress = phase.progress(attempt.run, tasks);
    const finished = { ...attempt.run.finished, [name]: tasks };
    const entered = {
      ...changesOnPhase(ports, definition, attempt.run, phase.next),
      tasks: 0,
      leg: attempt.run.leg + 1,
    };
    await attempt.update({ ...entered, finished, progress, stalls: 0 });
    return 'continue';
  }
  const done = tasks - missing.length;
  const { handedOut } = attempt.run;
  await attempt.update({ ...changesOnProgress(phase, attempt.run, done), handedOut: done });
  await attempt.close('hand-over');
  // Tasks already in the queue are not published again: they would run twice.
  if (handedOut === null || done <= handedOut) await publishTasks(ports, phase, attempt.run, new Set(missing));
  return 'done';
}

/** How many phases a record keeps with the time at which each began. */
const MAX_PHASES = 60;

/** Changes to the record of a run that enters a phase. */
function changesOnPhase(
  { clock }: Pick<EnginePorts, 'clock'>,
  { words }: RunDefinition,
  run: Pick<RunRecord, 'phases'>,
  phase: string,
): Pick<RunRecord, 'doing' | 'handedOut' | 'phase' | 'phases'> {
  const phases = [...run.phases, { phase, at: new Date(clock.now()).toISOString() }].slice(-MAX_PHASES);
  return { phase, phases, doing: words[phase] ?? '', handedOut: null };
}

async function workInline(ports: EnginePorts, phase: TaskPhase, attempt: OpenAttempt): Promise<void> {
  const { id, phase: name, tasks } = attempt.run;
  const missing = await missingTasks(ports.store, id, name, tasks);
  let done = tasks - missing.length;
  let reportedAt = 0;
  // An attempt that starts after its deadline still does one task.
  let worked = false;
  const turn = pLimit(phase.inline);
  await pMap(
    missing,
    async (task) => {
      if ((worked && attempt.timeIsUp()) || attempt.signal.aborted) return;
      worked = true;
      await attempt.confirm();
      const result = await phase.task(attempt.run, task, attempt.signal, turn, () => attempt.confirm());
      await writeMarker(ports.store, id, name, task, result);
      done += 1;
      if (ports.clock.now() - reportedAt < PROGRESS_INTERVAL_MS) return;
      reportedAt = ports.clock.now();
      const changes = changesOnProgress(phase, attempt.run, done);
      if (Object.keys(changes).length > 0) await attempt.update(changes);
    },
    { concurrency: phase.inline * (phase.ahead ?? 1) },
  );
  throwIfLost(attempt);
}

/** Changes to the record of a run with this many tasks done; none when no more tasks are done than last time. */
function changesOnProgress(phase: TaskPhase, run: RunRecord, done: number): Partial<RunRecord> {
  return done > run.progress.done ? { progress: phase.progress(run, done), stalls: 0 } : {};
}

async function endAttempt(
  ports: EnginePorts,
  definition: RunDefinition,
  attempt: OpenAttempt,
  outcome: StepOutcome & { to: 'end' },
): Promise<Next> {
  const { state, result, error } = outcome;
  const before = attempt.run;
  const finishedAt = new Date(ports.clock.now()).toISOString();
  await attempt.update({ state, result, error, ...changesOnEnd(finishedAt, attempt.run, error) });
  ports.log.info('run-ended', { run: attempt.run.id, kind: attempt.run.kind, state });
  await attempt.close('release');
  if (state !== 'succeeded' && definition.releaseResources !== undefined)
    await releaseOrWarn(ports, before, definition.releaseResources);
  return 'done';
}

async function pauseAttempt(ports: EnginePorts, attempt: OpenAttempt, error: AppError): Promise<void> {
  await attempt.update(changesOnWait(ports.clock.now(), error));
  await attempt.close('hand-over');
  await scheduleWake(ports, attempt.run);
}

async function closeOnError(
  ports: EnginePorts,
  definition: RunDefinition,
  attempt: OpenAttempt,
  cause: unknown,
  budget: Budget,
): Promise<void> {
  const error = toAppError(cause);
  if (error.code === 'fenced') {
    // A suspended process may still hold its lease; handing it over lets the next attempt start at once.
    await attempt.close('hand-over').catch(() => attempt.close('lost'));
    return;
  }
  try {
    if (willBeRetried(error, budget)) await failAttempt(ports, attempt, error);
    else if (canWait(error, budget)) await pauseAttempt(ports, attempt, error);
    else
      await endAttempt(ports, definition, attempt, {
        to: 'end',
        state: 'failed',
        result: null,
        error: await failureWithRemains(attempt.run, error, definition.describeRemains),
      });
  } catch {
    // The operator must see the first error; the lease expires without being released.
    await attempt.close('lost');
    throw error;
  }
  if (willBeRetried(error, budget)) throw error;
}

/** Records the error of this attempt and leaves the run to the next one. */
async function failAttempt(ports: EnginePorts, attempt: OpenAttempt, error: AppError): Promise<void> {
  // The lease is handed over even if the store is down and the error cannot be recorded.
  await attempt.update(changesOnFailedAttempt(attempt.run, error, ports.clock.now())).catch(() => undefined);
  await attempt.close('hand-over');
}

function throwIfStopped(attempt: OpenAttempt, budget: Budget): void {
  if (budget.interrupt.aborted) {
    const reason: unknown = budget.interrupt.reason;
    if (reason instanceof AppError && reason.code !== 'interrupted') throw reason;
    throw new AppError('interrupted', 'The run was interrupted', {
      hint: 'Start it again; unfinished work is discarded.',
    });
  }
  throwIfLost(attempt);
}

function throwIfStalled(attempt: OpenAttempt): void {
  if (attempt.run.stalls <= MAX_STALLS) return;
  throw new AppError('abandoned', `${MAX_STALLS} attempts in a row made no progress`, {
    hint: 'The log shows what ended them (time limit, memory, a service that is down). Fix the cause and start the run again.',
  });
}

function throwIfLost(attempt: OpenAttempt): void {
  if (attempt.signal.aborted) throw toAppError(attempt.signal.reason);
}

function phaseOf(definition: RunDefinition, name: string): SerialPhase | TaskPhase {
  const phase = definition.phases[name];
  if (phase !== undefined) return phase;
  throw new AppError('damaged', `A ${definition.kind} run has no phase ${name}`, {
    hint: 'The run was started by another version; start a new one.',
  });
}
