import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Attempt, RunDefinition, RunRecord, SerialPhase, StepOutcome, TaskPhase } from '../runs/model.js';
import { snapshotRun } from '../snapshot/run.js';
import type { SnapshotSettings } from '../snapshot/settings.js';
import { inputOf, parseRestoreCheckpoint, type RestoreCheckpoint } from './checkpoint.js';
import type { RestorePorts, RestoreSettings } from './context.js';
import type { RestoreInput } from './model.js';
import { enter } from './phases.js';

const PREFIX = 'safety-';

/**
 * The phases that take the safety snapshot: those of an ordinary snapshot of the target, within the restore's run. So
 * it has the restore's id, and all that makes a snapshot survive holds for it as well.
 */
export function safetyPhases(ports: RestorePorts, settings: RestoreSettings): Record<string, SerialPhase | TaskPhase> {
  const definitionFor = (run: RunRecord): RunDefinition =>
    snapshotRun(
      { ...ports, redis: ports.redisOf(inputOf(run).target) },
      { ...settings.safety, ...undoesOf(inputOf(run)) },
    );
  const serial = (name: 'scan' | 'recheck' | 'seal'): SerialPhase => ({
    type: 'serial',
    step: async (attempt) => {
      const phase = definitionFor(attempt.run).phases[name] as SerialPhase;
      const outcome = await phase.step(inward(attempt)).catch(rethrow);
      return outward(ports, parseRestoreCheckpoint(attempt.run.checkpoint), outcome);
    },
  });
  return {
    [`${PREFIX}scan`]: serial('scan'),
    [`${PREFIX}recheck`]: serial('recheck'),
    [`${PREFIX}check`]: {
      type: 'tasks',
      next: `${PREFIX}seal`,
      inline: settings.inline,
      parallelism: settings.parallelism,
      task: (run, task, signal, turn, confirm) => {
        const phase = definitionFor(run).phases['check'] as TaskPhase;
        return phase.task(innerRun(run), task, signal, turn, confirm);
      },
      progress: (run, done) => ({ done, total: run.tasks, unit: 'parts', bytes: 0 }),
    },
    [`${PREFIX}seal`]: serial('seal'),
  };
}

/** What the safety snapshot says of the restore that it undoes; nothing for everything in the database that is backed up. */
function undoesOf({ scope, target }: RestoreInput): Pick<SnapshotSettings, 'undoes'> {
  if ('all' in scope) return target === null ? {} : { undoes: { project: null, target } };
  if ('project' in scope) return { undoes: { project: scope.project, target } };
  return { undoes: { project: null, target, scope: JSON.stringify(scope) } };
}

function innerRun(run: RunRecord): RunRecord {
  return { ...run, checkpoint: parseRestoreCheckpoint(run.checkpoint).safety };
}

/** The attempt as the snapshot's phases see it: with their own checkpoint, and their own names of phases. */
function inward(attempt: Attempt): Attempt {
  const around = (safety: Json): Json => ({ ...parseRestoreCheckpoint(attempt.run.checkpoint), safety });
  return {
    get run() {
      return innerRun(attempt.run);
    },
    fence: attempt.fence,
    signal: attempt.signal,
    confirm: () => attempt.confirm(),
    timeIsUp: () => attempt.timeIsUp(),
    save: (checkpoint, progress) => attempt.save(around(checkpoint), progress),
    report: (progress) => attempt.report(progress),
    results: (phase) => attempt.results(`${PREFIX}${phase}`),
  };
}

function outward(ports: RestorePorts, state: RestoreCheckpoint, outcome: StepOutcome): StepOutcome {
  if (outcome.to === 'end') return ended(ports, state, outcome);
  const checkpoint = { ...state, safety: outcome.checkpoint };
  return outcome.to === 'later'
    ? { ...outcome, checkpoint }
    : { ...outcome, phase: `${PREFIX}${outcome.phase}`, checkpoint };
}

/** A restore that cannot be undone does not begin, unless it was told to. */
function ended(ports: RestorePorts, state: RestoreCheckpoint, outcome: StepOutcome & { to: 'end' }): StepOutcome {
  if (outcome.state === 'succeeded') return enter('fence', { ...state, safety: null }, 0, ports.clock.now());
  const { error, result } = outcome;
  const message = notSaved(error?.message ?? 'no reason given');
  const hint = `Mend that and start again, or ${WITHOUT}`;
  return {
    to: 'end',
    state: 'failed',
    result: { safety: result },
    error: { code: error?.code ?? 'incomplete', message, hint },
  };
}

const WITHOUT = 'restore without the safety snapshot (--no-safety): then there is no way back.';

function notSaved(reason: string): string {
  return `What is in the target now could not be saved first: ${reason}. Nothing was written.`;
}

/** A store that does not take the snapshot for good ends the restore too, and who reads of it must know where it stands. */
function rethrow(error: unknown): never {
  if (!(error instanceof AppError) || error.transient || !error.code.startsWith('store-')) throw error;
  const hint = `${error.hint} Then start again, or ${WITHOUT}`;
  throw new AppError(error.code, notSaved(error.message), { hint, cause: error });
}
