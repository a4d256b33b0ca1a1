import type { Leg, Progress, RunDefinition, RunRecord, StepOutcome, TaskPhase } from '../runs/model.js';
import { DATABASE_LEASE } from '../snapshot/run.js';
import { inputOf, parseRestoreCheckpoint } from './checkpoint.js';
import { abilitiesStep } from './abilities-step.js';
import { checkTask, condemnStep, surveyStep } from './check-task.js';
import { addSpent, openContext, spentSince, type RestorePorts, type RestoreSettings } from './context.js';
import { releaseLocks, takeLocks } from '../soulcaster/locks.js';
import { inspectTask } from './inspect-task.js';
import { liveStep } from './live.js';
import { openStep } from './open.js';
import { enter } from './phases.js';
import { planTask, recordsOf } from './plan-task.js';
import { proveTask } from './prove-task.js';
import { removeStep } from './remove.js';
import { countExtrasStep, reportStep } from './report.js';
import { isRestoreLease } from './start.js';
import { safetyPhases } from './safety.js';
import { markUnfinished } from './unfinished.js';
import { concludeStep, weighStep } from './weigh.js';
import { placeStep } from './unite/moves.js';
import { uniteTask } from './unite/tasks.js';
import { writeTask } from './write-task.js';

/**
 * The run that restores: check every part, plan, save what is there, lock, write, remove, prove, report. Nothing is
 * written before all parts were read and found whole, and what is there was saved.
 */
export function restoreRun(ports: RestorePorts, settings: RestoreSettings): RunDefinition {
  const tasks = (next: string, task: TaskPhase['task']): TaskPhase => ({
    type: 'tasks',
    next,
    inline: settings.inline,
    parallelism: settings.parallelism,
    task,
    progress: partsDone,
  });
  return {
    kind: 'restore',
    lease: DATABASE_LEASE,
    takesLease: isRestoreLease,
    letGo: (run) => letGo(ports, run),
    firstPhase: 'open',
    phases: {
      open: { type: 'serial', step: (leg) => openStep(ports, leg) },
      check: tasks('survey', (run, task) => checkTask(ports, run, task)),
      survey: { type: 'serial', step: (leg) => surveyStep(ports, leg) },
      condemn: { type: 'serial', step: (leg) => condemnStep(ports, leg) },
      place: { type: 'serial', step: (leg) => placeStep(ports, leg) },
      abilities: { type: 'serial', step: (leg) => abilitiesStep(ports, leg) },
      plan: tasks('live', (run, task, signal) => planTask(ports, settings, run, task, signal)),
      live: { type: 'serial', step: (leg) => liveStep(ports, leg) },
      weigh: { type: 'serial', step: (leg) => weighStep(ports, leg) },
      conclude: { type: 'serial', step: (leg) => concludeStep(ports, leg) },
      ...safetyPhases(ports, settings),
      fence: { type: 'serial', step: (leg) => fenceStep(ports, leg) },
      write: tasks('written', (run, task, signal) => writeTask(ports, settings, run, task, signal)),
      written: { type: 'serial', step: (leg) => writtenStep(ports, leg) },
      unite: tasks('remove', (run, task) => uniteTask(ports, run, (context) => recordsOf(ports, context, task))),
      remove: { type: 'serial', step: (leg) => removeStep(ports, leg) },
      prove: tasks('extras', (run, task, signal) => proveTask(ports, settings, run, task, signal)),
      extras: { type: 'serial', step: (leg) => countExtrasStep(ports, leg) },
      inspect: tasks('report', (run, task) => inspectTask(ports, run, task)),
      report: { type: 'serial', step: (leg) => reportStep(ports, leg) },
    },
  };
}

/** The application need not wait for a restore that has ended, however it ended. */
async function letGo(ports: RestorePorts, run: RunRecord): Promise<void> {
  const { projects, times } = parseRestoreCheckpoint(run.checkpoint);
  // One that ended before took none, and has written nothing.
  if (!times.some(([phase]) => phase === 'fence')) return;
  await releaseLocks(ports.redisOf(inputOf(run).target), projects, run.id);
}

async function fenceStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const { input, redis, state } = await openContext(ports, leg.run);
  if (leg.signal.aborted) throw leg.signal.reason;
  // A scratch database is filled to be wiped.
  if (input.trigger !== 'drill') await markUnfinished(ports, leg.run.id, redis, input);
  const before = redis.usage();
  const locksTaken = await takeLocks(redis, state.projects, leg.run.id);
  const spent = addSpent(state.spent, spentSince(redis, before));
  return enter('write', { ...state, locksTaken, spent }, state.parts.length, ports.clock.now());
}

/** Lists of members are united when all that they name has been written; mode `replace` has none. */
async function writtenStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const { input, state } = await openContext(ports, leg.run);
  const now = ports.clock.now();
  return input.mode === 'replace' ? enter('remove', state, 0, now) : enter('unite', state, state.parts.length, now);
}

function partsDone(run: RunRecord, done: number): Progress {
  return { done, total: run.tasks, unit: 'parts', bytes: 0 };
}
