import type { Attempt, Progress, RunDefinition, RunRecord, StepOutcome, TaskPhase } from '../runs/model.js';
import { DATABASE_LEASE } from '../snapshot/run.js';
import { inputOf, parseRestoreCheckpoint } from './checkpoint.js';
import { checkTask, condemnStep, surveyStep } from './check-task.js';
import { addSpent, openContext, spentSince, type RestorePorts, type RestoreSettings } from './context.js';
import { releaseLocks, takeLocks } from '../soulcaster/locks.js';
import { inspectTask } from './inspect-task.js';
import { RESTORE } from './kinds.js';
import { liveStep, isKnownEarly } from './live.js';
import { openStep } from './open.js';
import { removeMark } from './drill/scratch.js';
import { enter } from './phases.js';
import { planTask, recordsOf } from './plan-task.js';
import { proveTask } from './prove-task.js';
import { removeStep } from './remove.js';
import { countExtrasStep, reportStep } from './report.js';
import { listMode } from './selected.js';
import { isRestoreLease } from './start.js';
import { beginSafety, safetyPhases } from './safety.js';
import { leftBehind } from './left-behind.js';
import { markUnfinished, unmark } from './unfinished.js';
import { concludeStep, weighStep } from './weigh.js';
import { placeStep } from './unite/moves.js';
import { uniteTask } from './unite/tasks.js';
import { writeTask } from './write-task.js';
import { named } from './write/refusal.js';
import { probeAbilities } from './abilities.js';
import type { RedisPort, RedisReply, SentCommand } from '../ports/redis.js';
import { AppError } from '../errors.js';
import { absentKey, holdsKey } from '../redis/absent-key.js';
import { runOne } from '../redis/run-one.js';
import type { RestoreInput } from './model.js';

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
    task: (...at) => telling(ports, task(...at)),
    progress: partsDone,
  });
  return {
    ...RESTORE,
    lease: DATABASE_LEASE,
    takesLease: isRestoreLease,
    letGo: (run) => letGo(ports, run),
    leaves: (run) => leftBehind(ports, run),
    firstPhase: 'open',
    phases: {
      open: { type: 'serial', step: (attempt) => openStep(ports, attempt) },
      check: tasks('survey', (run, task, signal) => checkTask(ports, run, task, signal)),
      survey: { type: 'serial', step: (attempt) => surveyStep(ports, attempt) },
      condemn: { type: 'serial', step: (attempt) => condemnStep(ports, attempt) },
      place: { type: 'serial', step: (attempt) => telling(ports, placeStep(ports, attempt)) },
      abilities: { type: 'serial', step: (attempt) => abilitiesStep(ports, attempt) },
      plan: tasks('live', (run, task, signal) => planTask(ports, settings, run, task, signal)),
      live: { type: 'serial', step: (attempt) => liveStep(ports, attempt) },
      weigh: { type: 'serial', step: (attempt) => telling(ports, weighStep(ports, attempt)) },
      conclude: { type: 'serial', step: (attempt) => concludeStep(ports, attempt) },
      ...safetyPhases(ports, settings),
      fence: { type: 'serial', step: (attempt) => fenceStep(whileOurs(ports, attempt), attempt) },
      write: tasks('written', (run, task, signal, _, confirm) =>
        writeTask(whileOurs(ports, { confirm }), settings, run, task, signal),
      ),
      written: { type: 'serial', step: (attempt) => writtenStep(ports, attempt) },
      unite: tasks('remove', (run, task, signal, _, confirm) =>
        uniteTask(whileOurs(ports, { confirm }), run, (context) => recordsOf(ports, context, task), signal),
      ),
      remove: { type: 'serial', step: (attempt) => telling(ports, removeStep(whileOurs(ports, attempt), attempt)) },
      prove: tasks('extras', (run, task, signal) => proveTask(ports, settings, run, task, signal)),
      extras: { type: 'serial', step: (attempt) => countExtrasStep(ports, attempt) },
      inspect: tasks('report', (run, task, signal) => inspectTask(ports, run, task, signal)),
      report: { type: 'serial', step: (attempt) => reportStep(whileOurs(ports, attempt), attempt) },
    },
  };
}

/** What fails about one key names it, as far as its name may be shown. */
function telling<T>({ encryptor }: RestorePorts, work: Promise<T>): Promise<T> {
  return work.catch(async (error: unknown) => {
    throw await named(encryptor, error);
  });
}

/** The application need not wait for a restore that has ended, however it ended. */
async function letGo(ports: RestorePorts, run: RunRecord): Promise<void> {
  const { projects, times } = parseRestoreCheckpoint(run.checkpoint);
  // One that ended before took none, and has written nothing.
  if (!times.some(([phase]) => phase === 'fence')) return;
  const redis = ports.redisOf(inputOf(run).target);
  // The phase that follows writes first: the data are as they were.
  if (run.phase === 'fence') await unmark(ports, run.id, redis);
  await releaseLocks(redis, projects, run.id);
}

async function fenceStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const context = await openContext(ports, attempt.run, attempt.signal);
  const { input, redis, state } = context;
  if (attempt.signal.aborted) throw attempt.signal.reason;
  await demandAnother(ports, input);
  // A scratch database is filled to be wiped.
  const notMarked = input.trigger === 'drill' ? null : await markUnfinished(ports, attempt.run.id, context);
  const before = redis.usage();
  if (input.trigger !== 'drill') await removeMark(redis);
  const locksTaken = await takeLocks(redis, state.projects, attempt.run.id);
  // Who stops here has written nothing yet, and `letGo` takes the mark off.
  attempt.signal.throwIfAborted();
  const spent = addSpent(state.spent, spentSince(redis, before));
  return enter('write', { ...state, locksTaken, notMarked, spent }, state.parts.length, ports.clock.now());
}

/** Lists of members are united when all that they name has been written; in mode `replace` they are values, but for items. */
async function writtenStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const { input, state } = await openContext(ports, attempt.run, attempt.signal);
  const now = ports.clock.now();
  return listMode(input) === 'replace'
    ? enter('remove', state, 0, now)
    : enter('unite', state, state.parts.length, now);
}

function partsDone(run: RunRecord, done: number): Progress {
  return { done, total: run.tasks, unit: 'parts', bytes: 0 };
}

/** Asks the target before the plan is made, so that the plan can say what cannot be written. */
async function abilitiesStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const { input, redis, state } = await openContext(ports, attempt.run, attempt.signal);
  const before = redis.usage();
  const abilities = await probeAbilities(redis);
  const spent = addSpent(state.spent, spentSince(redis, before));
  const next = { ...state, abilities, spent, safety: await beginSafety(ports, input, state) };
  return enter(isKnownEarly(input) ? 'live' : 'place', next, 0, ports.clock.now());
}

/**
 * The same ports, whose databases are asked and written only while the run is known to be ours (`Attempt.confirm`). A process
 * that stood still, or whose run was ended elsewhere, would otherwise write on into what another restore has proven since.
 */
function whileOurs<P extends { redisOf(target: string | null): RedisPort }>(
  ports: P,
  { confirm }: Pick<Attempt, 'confirm'>,
): P {
  const held = (redis: RedisPort): RedisPort => ({
    host: redis.host,
    pipeline: (commands) => confirm().then(() => redis.pipeline(commands)),
    async transaction(commands: readonly SentCommand[], form?: 'wire') {
      await confirm();
      return redis.transaction(commands, form) as Promise<RedisReply[]>;
    },
    usage: () => redis.usage(),
  });
  return { ...ports, redisOf: (target: string | null) => held(ports.redisOf(target)) };
}

/** For how long the key may stay that a restore which died has tried its target with, in milliseconds. */
const PROBE_MS = 60_000;

/**
 * Throws `usage` for a target that is the protected database by another name: what is set in the one is there in the other. Where
 * the protected one does not answer, which is what targets are for, it cannot be told.
 */
async function demandAnother(ports: RestorePorts, { target, trigger }: RestoreInput): Promise<void> {
  if (target === null || trigger === 'drill') return;
  const [there, own] = [ports.redisOf(target), ports.redisOf(null)];
  const key = absentKey();
  // A target that takes no writes says so later, in the words of what was to be written; so does what fails here.
  const quietly = () => undefined;
  await runOne(there, (sdk) => sdk.set(key, '1', { px: PROBE_MS })).catch(quietly);
  const isSame = await holdsKey(own, key);
  await runOne(there, (sdk) => sdk.del(key)).catch(quietly);
  if (!isSame) return;
  throw new AppError(
    'usage',
    `Target ${target} is the very database that is backed up, by another name: ${there.host}. Nothing was written`,
    {
      hint: 'Leave the target out to restore into it, or set the variables of the target to another database.',
    },
  );
}
