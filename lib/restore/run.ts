import type { Attempt, Progress, RunDefinition, RunRecord, StepOutcome, TaskPhase } from '../runs/model.js';
import { DATABASE_LEASE } from '../snapshot/run.js';
import { releaseLocks, takeLocks } from '../soulcaster/locks.js';
import type { RedisPort, RedisReply, SentCommand } from '../ports/redis.js';
import { AppError } from '../errors.js';
import { isSameDatabase } from '../redis/run-one.js';
import { inputOf, parseRestoreCheckpoint, enterPhase } from './checkpoint.js';
import { checkTask, refuseStep, surveyStep, openStep } from './check-task.js';
import { addSpent, openContext, spentSince, type RestorePorts, type RestoreSettings } from './context.js';
import { inspectTask } from './inspect-task.js';
import { RESTORE } from './kinds.js';
import { liveStep, needsLiveFactsEarly } from './live.js';
import { removeMark } from './target.js';
import { planTask } from './plan-task.js';
import { recordsOf } from './target-records.js';
import { proveTask } from './prove-task.js';
import { removeStep } from './extras.js';
import { countExtrasStep, reportStep } from './report.js';
import { listMode } from './scope.js';
import { isRestoreLease } from './start.js';
import { beginSafety, safetyPhases } from './safety.js';
import { describeRemains, markUnfinished, unmark } from './unfinished.js';
import { concludeStep, evaluatePlanStep } from './weigh.js';
import { recordPlacementsStep } from './unite/moves.js';
import { uniteTask } from './unite/tasks.js';
import { writeTask } from './write-task.js';
import { showKeyName } from './write/errors.js';
import { probeAbilities } from './abilities.js';
import type { RestoreInput } from './model.js';

/**
 * The run that restores: check every part, plan, save the current data, lock, write, remove, prove, report. Nothing is
 * written before all parts were found intact and the current data were saved.
 */
export function restoreRun(ports: RestorePorts, settings: RestoreSettings): RunDefinition {
  const tasks = (next: string, task: TaskPhase['task']): TaskPhase => ({
    type: 'tasks',
    next,
    inline: settings.inline,
    parallelism: settings.parallelism,
    task: (...at) => withKeyNames(ports, task(...at)),
    progress: partsDone,
  });
  return {
    ...RESTORE,
    lease: DATABASE_LEASE,
    takesLease: isRestoreLease,
    releaseResources: (run) => releaseRestoreLocks(ports, run),
    describeRemains: (run) => describeRemains(ports, run),
    firstPhase: 'open',
    phases: {
      open: { type: 'serial', step: (attempt) => openStep(ports, attempt) },
      check: tasks('survey', (run, task, signal) => checkTask(ports, run, task, signal)),
      survey: { type: 'serial', step: (attempt) => surveyStep(ports, attempt) },
      condemn: { type: 'serial', step: (attempt) => refuseStep(ports, attempt) },
      place: { type: 'serial', step: (attempt) => withKeyNames(ports, recordPlacementsStep(ports, attempt)) },
      abilities: { type: 'serial', step: (attempt) => abilitiesStep(ports, attempt) },
      plan: tasks('live', (run, task, signal) => planTask(ports, settings, run, task, signal)),
      live: { type: 'serial', step: (attempt) => liveStep(ports, attempt) },
      weigh: { type: 'serial', step: (attempt) => withKeyNames(ports, evaluatePlanStep(ports, attempt)) },
      conclude: { type: 'serial', step: (attempt) => concludeStep(ports, attempt) },
      ...safetyPhases(ports, settings),
      fence: { type: 'serial', step: (attempt) => fenceStep(whileLeaseHeld(ports, attempt), attempt) },
      write: tasks('written', (run, task, signal, _, confirm) =>
        writeTask(whileLeaseHeld(ports, { confirm }), settings, run, task, signal),
      ),
      written: { type: 'serial', step: (attempt) => writtenStep(ports, attempt) },
      unite: tasks('remove', (run, task, signal, _, confirm) =>
        uniteTask(whileLeaseHeld(ports, { confirm }), run, (context) => recordsOf(ports, context, task), signal),
      ),
      remove: {
        type: 'serial',
        step: (attempt) => withKeyNames(ports, removeStep(whileLeaseHeld(ports, attempt), attempt)),
      },
      prove: tasks('extras', (run, task, signal) => proveTask(ports, settings, run, task, signal)),
      extras: { type: 'serial', step: (attempt) => countExtrasStep(ports, attempt) },
      inspect: tasks('report', (run, task, signal) => inspectTask(ports, run, task, signal)),
      report: { type: 'serial', step: (attempt) => reportStep(whileLeaseHeld(ports, attempt), attempt) },
    },
  };
}

/** Adds the key's name to an error about one key, encrypted where names are. */
function withKeyNames<T>({ encryptor }: RestorePorts, work: Promise<T>): Promise<T> {
  return work.catch(async (error: unknown) => {
    throw await showKeyName(encryptor, error);
  });
}

/** Releases the application's locks once a restore has ended, however it ended. */
async function releaseRestoreLocks(ports: RestorePorts, run: RunRecord): Promise<void> {
  const { projects, times } = parseRestoreCheckpoint(run.checkpoint);
  // A run that ended before the fence took no locks and wrote nothing.
  if (!times.some(([phase]) => phase === 'fence')) return;
  const redis = ports.redisOf(inputOf(run).target);
  // The phase after the fence is the first to write: the data are unchanged.
  if (run.phase === 'fence') await unmark(ports, run.id, redis);
  await releaseLocks(redis, projects, run.id);
}

async function fenceStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const context = await openContext(ports, attempt.run, attempt.signal);
  const { input, redis, state } = context;
  if (attempt.signal.aborted) throw attempt.signal.reason;
  await assertNotProtected(ports, input);
  // A scratch database is not marked: it is filled to be wiped.
  const notMarked = input.trigger === 'drill' ? null : await markUnfinished(ports, attempt.run.id, context);
  const before = redis.usage();
  if (input.trigger !== 'drill') await removeMark(redis);
  const locksTaken = await takeLocks(redis, state.projects, attempt.run.id);
  // A run that stops here has written nothing yet, and `releaseRestoreLocks` removes the mark.
  attempt.signal.throwIfAborted();
  const spent = addSpent(state.spent, spentSince(redis, before));
  return enterPhase('write', { ...state, locksTaken, notMarked, spent }, state.parts.length, ports.clock.now());
}

/** Lists are united once all keys that they name are written; in mode `replace` they are values, except for items. */
async function writtenStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const { input, state } = await openContext(ports, attempt.run, attempt.signal);
  const now = ports.clock.now();
  return listMode(input) === 'replace'
    ? enterPhase('remove', state, 0, now)
    : enterPhase('unite', state, state.parts.length, now);
}

function partsDone(run: RunRecord, done: number): Progress {
  return { done, total: run.tasks, unit: 'parts', bytes: 0 };
}

/** Probes the target before the plan, so that the plan can say what cannot be written. */
async function abilitiesStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const { input, redis, state } = await openContext(ports, attempt.run, attempt.signal);
  const before = redis.usage();
  const abilities = await probeAbilities(redis);
  const spent = addSpent(state.spent, spentSince(redis, before));
  const next = { ...state, abilities, spent, safety: await beginSafety(ports, input, state) };
  return enterPhase(needsLiveFactsEarly(input) ? 'live' : 'place', next, 0, ports.clock.now());
}

/**
 * Ports whose databases are used only while the run confirms its lease (`Attempt.confirm`). Otherwise a process that
 * was suspended, or whose run was ended elsewhere, would overwrite what another restore has proven since.
 */
function whileLeaseHeld<P extends { redisOf(target: string | null): RedisPort }>(
  ports: P,
  { confirm }: Pick<Attempt, 'confirm'>,
): P {
  const guarded = (redis: RedisPort): RedisPort => ({
    host: redis.host,
    pipeline: (commands) => confirm().then(() => redis.pipeline(commands)),
    async transaction(commands: readonly SentCommand[], form?: 'wire') {
      await confirm();
      return redis.transaction(commands, form) as Promise<RedisReply[]>;
    },
    usage: () => redis.usage(),
  });
  return { ...ports, redisOf: (target: string | null) => guarded(ports.redisOf(target)) };
}

/**
 * Throws `usage` for a target that is the protected database by another name: a key that is set in one appears in the
 * other. When the protected database does not answer, as in the outages that targets are for, this cannot be checked.
 */
async function assertNotProtected(ports: RestorePorts, { target, trigger }: RestoreInput): Promise<void> {
  if (target === null || trigger === 'drill') return;
  const there = ports.redisOf(target);
  if (!(await isSameDatabase(there, ports.redisOf(null)))) return;
  throw new AppError(
    'usage',
    `Target ${target} is the protected database under another name: ${there.host}. Nothing was written`,
    {
      hint: 'To restore into it, leave --target out. Otherwise set the variables of the target to another database.',
    },
  );
}
