import pLimit from 'p-limit';
import pMap from 'p-map';
import { AppError, toAppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { failureOf, lettingGo, willBeRetried } from './ending.js';
import { handOut } from './hand-out.js';
import { asleep, awake, callLater, mayWait } from './waiting.js';
import type { Budget, OpenLeg } from './leg.js';
import { missingTasks, writeMarker } from './markers.js';
import { legMessage } from './messages.js';
import type { Progress, RunDefinition, RunRecord, SerialPhase, StepOutcome, TaskPhase } from './model.js';

export type EnginePorts = Pick<Ports, 'clock' | 'log' | 'queue' | 'store'>;

const PROGRESS_INTERVAL_MS = 1000;
/** With the time a watch waits, a service may be down for about an hour before a run gives up. */
const MAX_STALLS = 12;

/** Whether the leg goes on with the record's present phase, or has given the run out of its hands. */
type Next = 'go-on' | 'done';

/**
 * Works off phase after phase until the run ends or time is up. Closes the leg in every case. `counts`: whether the run
 * is taken for stalled when many such legs get nowhere.
 */
export async function workPhases(
  ports: EnginePorts,
  definition: RunDefinition,
  leg: OpenLeg,
  budget: Budget,
  counts: boolean,
): Promise<RunRecord> {
  try {
    // The first write of a leg: from here on, whoever worked on the run before is fenced off.
    await leg.update({ ...awake(leg.run), stalls: leg.run.stalls + (counts ? 1 : 0) });
    throwIfStalled(leg);
    let next: Next = 'go-on';
    while (next === 'go-on') {
      throwIfStopped(leg, budget);
      const phase = phaseOf(definition, leg.run.phase);
      next =
        phase.type === 'serial' ? await workSerial(ports, definition, phase, leg) : await workTasks(ports, phase, leg);
    }
  } catch (error) {
    await closeOnError(ports, definition, leg, error, budget);
  }
  return leg.run;
}

async function workSerial(
  ports: EnginePorts,
  definition: RunDefinition,
  phase: SerialPhase,
  leg: OpenLeg,
): Promise<Next> {
  const outcome = await phase.step(leg);
  if (outcome.to === 'end') return endLeg(ports, definition, leg, outcome);
  const { checkpoint, progress } = outcome;
  // A leg that hands on without having got any further must not go on for ever, from one message to the next.
  const moved = outcome.to === 'phase' || goesBeyond(progress, leg.run.progress);
  const advanced = { checkpoint, progress, leg: leg.run.leg + 1, stalls: moved ? 0 : leg.run.stalls };
  if (outcome.to === 'phase') {
    const entered = { ...leg.run, ...advanced, phase: outcome.phase, tasks: outcome.tasks, handedOut: null };
    const next = phaseOf(definition, outcome.phase);
    await leg.update({ ...entered, progress: next.type === 'tasks' ? next.progress(entered, 0) : progress });
    if (!leg.timeIsUp()) return 'go-on';
  } else {
    await leg.update(advanced);
  }
  await leg.close('hand-over');
  await ports.queue.publish([legMessage(leg.run.id, leg.run.leg, 0)]);
  return 'done';
}

function goesBeyond(now: Progress, before: Progress): boolean {
  return now.done > before.done || now.bytes > before.bytes;
}

async function workTasks(ports: EnginePorts, phase: TaskPhase, leg: OpenLeg): Promise<Next> {
  const { id, phase: name, tasks } = leg.run;
  if (phase.inline > 0) await workInline(ports, phase, leg);
  const missing = await missingTasks(ports.store, id, name, tasks);
  if (missing.length === 0) {
    const progress = phase.progress(leg.run, tasks);
    const finished = { ...leg.run.finished, [name]: tasks };
    const entered = { phase: phase.next, tasks: 0, handedOut: null, leg: leg.run.leg + 1 };
    await leg.update({ ...entered, finished, progress, stalls: 0 });
    return 'go-on';
  }
  const done = tasks - missing.length;
  const { handedOut } = leg.run;
  await leg.update({ ...forward(phase, leg.run, done), handedOut: done });
  await leg.close('hand-over');
  // What the queue is at it has: to publish it again would only have it done twice.
  if (handedOut === null || done <= handedOut) await handOut(ports, phase, leg.run, new Set(missing));
  return 'done';
}

async function workInline(ports: EnginePorts, phase: TaskPhase, leg: OpenLeg): Promise<void> {
  const { id, phase: name, tasks } = leg.run;
  const missing = await missingTasks(ports.store, id, name, tasks);
  let done = tasks - missing.length;
  let reportedAt = 0;
  const turn = pLimit(phase.inline);
  await pMap(
    missing,
    async (task) => {
      if (leg.timeIsUp() || leg.signal.aborted) return;
      await leg.confirm();
      const result = await phase.task(leg.run, task, leg.signal, turn);
      await writeMarker(ports.store, id, name, task, result);
      done += 1;
      if (ports.clock.now() - reportedAt < PROGRESS_INTERVAL_MS) return;
      reportedAt = ports.clock.now();
      const changes = forward(phase, leg.run, done);
      if (Object.keys(changes).length > 0) await leg.update(changes);
    },
    { concurrency: phase.inline * (phase.ahead ?? 1) },
  );
  throwIfLost(leg);
}

/** What changes in the record of a run with so many tasks done: it goes forward if there are more than last time. */
function forward(phase: TaskPhase, run: RunRecord, done: number): Partial<RunRecord> {
  return done > run.progress.done ? { progress: phase.progress(run, done), stalls: 0 } : {};
}

async function endLeg(
  ports: EnginePorts,
  definition: RunDefinition,
  leg: OpenLeg,
  outcome: StepOutcome & { to: 'end' },
): Promise<Next> {
  const { state, result, error } = outcome;
  const before = leg.run;
  const finishedAt = new Date(ports.clock.now()).toISOString();
  await leg.update({ state, result, error, checkpoint: null, finishedAt });
  ports.log.info('run-ended', { run: leg.run.id, kind: leg.run.kind, state });
  await leg.close('release');
  if (state !== 'succeeded' && definition.letGo !== undefined) await lettingGo(ports, before, definition.letGo);
  return 'done';
}

async function pauseLeg(ports: EnginePorts, leg: OpenLeg, error: AppError): Promise<void> {
  await leg.update(asleep(ports.clock.now(), error));
  await leg.close('hand-over');
  await callLater(ports, leg.run);
}

async function closeOnError(
  ports: EnginePorts,
  definition: RunDefinition,
  leg: OpenLeg,
  cause: unknown,
  budget: Budget,
): Promise<void> {
  const error = toAppError(cause);
  if (error.code === 'fenced') {
    // A process that only stood still has its lease yet, if nobody took it over: the run's next leg may have it at once.
    await leg.close('hand-over').catch(() => leg.close('lost'));
    return;
  }
  try {
    if (willBeRetried(error, budget)) await leg.close('hand-over');
    else if (mayWait(error, budget)) await pauseLeg(ports, leg, error);
    else await endLeg(ports, definition, leg, { to: 'end', state: 'failed', result: null, error: failureOf(error) });
  } catch {
    // What went wrong first is what the operator must see; the lease runs out by itself.
    await leg.close('lost');
    throw error;
  }
  if (willBeRetried(error, budget)) throw error;
}

function throwIfStopped(leg: OpenLeg, budget: Budget): void {
  if (budget.interrupt.aborted) {
    throw new AppError('interrupted', 'The run was interrupted', { hint: 'Start it again; nothing half-done counts.' });
  }
  throwIfLost(leg);
}

function throwIfStalled(leg: OpenLeg): void {
  if (leg.run.stalls <= MAX_STALLS) return;
  throw new AppError('interrupted', `${MAX_STALLS} legs in a row ended without getting any further`, {
    hint: 'Look at the log for what ended them (time limit, memory, a service that is down), mend it and start again.',
  });
}

function throwIfLost(leg: OpenLeg): void {
  if (leg.signal.aborted) throw toAppError(leg.signal.reason);
}

function phaseOf(definition: RunDefinition, name: string): SerialPhase | TaskPhase {
  const phase = definition.phases[name];
  if (phase !== undefined) return phase;
  throw new AppError('damaged', `A ${definition.kind} run has no phase ${name}`, {
    hint: 'The run was started by another version; start a new one.',
  });
}
