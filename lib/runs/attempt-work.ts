import pLimit from 'p-limit';
import pMap from 'p-map';
import { AppError, toAppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { failedAttempt, brokenOff, lettingGo, overAt, willBeRetried } from './ending.js';
import { handOut } from './hand-out.js';
import { asleep, awake, callLater, mayWait } from './waiting.js';
import { goesBeyond, type Budget, type OpenAttempt } from './attempt.js';
import { missingTasks, writeMarker } from './markers.js';
import { attemptMessage } from './messages.js';
import type { RunDefinition, RunRecord, SerialPhase, StepOutcome, TaskPhase } from './model.js';

export type EnginePorts = Pick<Ports, 'clock' | 'log' | 'queue' | 'store'>;

const PROGRESS_INTERVAL_MS = 1000;
/** With the time a watch waits, a service may be down for about an hour before a run gives up. */
const MAX_STALLS = 12;

/** How an attempt was called. */
export interface Call {
  /** Whether the run is taken for stalled when many such attempts get nowhere. */
  readonly counts: boolean;
  /** When the queue calls the next one, if this one does not end the run. */
  readonly nextAttemptAt: string | null;
}

/** Whether the attempt continues with the record's present phase, or has given the run out of its hands. */
type Next = 'go-on' | 'done';

/**
 * Works off phase after phase until the run ends or time is up. Closes the attempt in every case.
 */
export async function workPhases(
  ports: EnginePorts,
  definition: RunDefinition,
  attempt: OpenAttempt,
  budget: Budget,
  { counts, nextAttemptAt }: Call,
): Promise<RunRecord> {
  try {
    // The first write of an attempt: from here on, whoever worked on the run before is fenced off.
    const { attempts, stalls } = attempt.run;
    await attempt.update({
      ...awake(attempt.run),
      stalls: stalls + (counts ? 1 : 0),
      attempts: attempts + 1,
      nextAttemptAt,
    });
    throwIfStalled(attempt);
    let next: Next = 'go-on';
    while (next === 'go-on') {
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
  // An attempt that hands on without having got any further must not go on for ever, from one message to the next.
  const moved = outcome.to === 'phase' || goesBeyond(progress, attempt.run.progress);
  const advanced = { checkpoint, progress, leg: attempt.run.leg + 1, stalls: moved ? 0 : attempt.run.stalls };
  if (outcome.to === 'phase') {
    const entered = {
      ...attempt.run,
      ...advanced,
      ...entering(ports, definition, attempt.run, outcome.phase),
      tasks: outcome.tasks,
    };
    const next = phaseOf(definition, outcome.phase);
    await attempt.update({ ...entered, progress: next.type === 'tasks' ? next.progress(entered, 0) : progress });
    if (!attempt.timeIsUp()) return 'go-on';
  } else {
    await attempt.update(advanced);
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
    const entered = { ...entering(ports, definition, attempt.run, phase.next), tasks: 0, leg: attempt.run.leg + 1 };
    await attempt.update({ ...entered, finished, progress, stalls: 0 });
    return 'go-on';
  }
  const done = tasks - missing.length;
  const { handedOut } = attempt.run;
  await attempt.update({ ...forward(phase, attempt.run, done), handedOut: done });
  await attempt.close('hand-over');
  // What the queue is at it has: to publish it again would only have it done twice.
  if (handedOut === null || done <= handedOut) await handOut(ports, phase, attempt.run, new Set(missing));
  return 'done';
}

/** This many phases are kept in a record with the time at which they began. */
const MOST_PHASES = 60;

/** What changes in the record of a run that begins with a phase. */
function entering(
  { clock }: Pick<EnginePorts, 'clock'>,
  { words }: RunDefinition,
  run: Pick<RunRecord, 'phases'>,
  phase: string,
): Pick<RunRecord, 'doing' | 'handedOut' | 'phase' | 'phases'> {
  const phases = [...run.phases, { phase, at: new Date(clock.now()).toISOString() }].slice(-MOST_PHASES);
  return { phase, phases, doing: words[phase] ?? '', handedOut: null };
}

async function workInline(ports: EnginePorts, phase: TaskPhase, attempt: OpenAttempt): Promise<void> {
  const { id, phase: name, tasks } = attempt.run;
  const missing = await missingTasks(ports.store, id, name, tasks);
  let done = tasks - missing.length;
  let reportedAt = 0;
  // An attempt that was late from its beginning gets one task further.
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
      const changes = forward(phase, attempt.run, done);
      if (Object.keys(changes).length > 0) await attempt.update(changes);
    },
    { concurrency: phase.inline * (phase.ahead ?? 1) },
  );
  throwIfLost(attempt);
}

/** What changes in the record of a run with this many tasks done: it goes forward if there are more than last time. */
function forward(phase: TaskPhase, run: RunRecord, done: number): Partial<RunRecord> {
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
  await attempt.update({ state, result, error, ...overAt(finishedAt, attempt.run, error) });
  ports.log.info('run-ended', { run: attempt.run.id, kind: attempt.run.kind, state });
  await attempt.close('release');
  if (state !== 'succeeded' && definition.letGo !== undefined) await lettingGo(ports, before, definition.letGo);
  return 'done';
}

async function pauseAttempt(ports: EnginePorts, attempt: OpenAttempt, error: AppError): Promise<void> {
  await attempt.update(asleep(ports.clock.now(), error));
  await attempt.close('hand-over');
  await callLater(ports, attempt.run);
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
    // A process that only stood still has its lease yet, if nobody took it over: the run's next attempt may have it at once.
    await attempt.close('hand-over').catch(() => attempt.close('lost'));
    return;
  }
  try {
    if (willBeRetried(error, budget)) await handBack(ports, attempt, error);
    else if (mayWait(error, budget)) await pauseAttempt(ports, attempt, error);
    else
      await endAttempt(ports, definition, attempt, {
        to: 'end',
        state: 'failed',
        result: null,
        error: await brokenOff(attempt.run, error, definition.leaves),
      });
  } catch {
    // What went wrong first is what the operator must see; the lease runs out by itself.
    await attempt.close('lost');
    throw error;
  }
  if (willBeRetried(error, budget)) throw error;
}

/** Leaves the run to its next attempt, and writes down what came in the way of this one. */
async function handBack(ports: EnginePorts, attempt: OpenAttempt, error: AppError): Promise<void> {
  // What cannot be written down, in a store that is down, must not keep the lease.
  await attempt.update(failedAttempt(attempt.run, error, ports.clock.now())).catch(() => undefined);
  await attempt.close('hand-over');
}

function throwIfStopped(attempt: OpenAttempt, budget: Budget): void {
  if (budget.interrupt.aborted) {
    const reason: unknown = budget.interrupt.reason;
    if (reason instanceof AppError && reason.code !== 'interrupted') throw reason;
    throw new AppError('interrupted', 'The run was interrupted', { hint: 'Start it again; nothing half-done counts.' });
  }
  throwIfLost(attempt);
}

function throwIfStalled(attempt: OpenAttempt): void {
  if (attempt.run.stalls <= MAX_STALLS) return;
  throw new AppError('abandoned', `${MAX_STALLS} attempts in a row ended without getting any further`, {
    hint: 'Look at the log for what ended them (time limit, memory, a service that is down), mend it and start again.',
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
