import { randomUUID } from 'node:crypto';
import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Attempt, RunDefinition, RunRecord, SerialPhase, StepOutcome, TaskPhase } from '../runs/model.js';
import { firstCheckpoint, parseCheckpoint, type SnapshotCheckpoint } from '../snapshot/checkpoint.js';
import type { Part } from '../snapshot/manifest.js';
import { keyOf } from '../snapshot/record.js';
import { snapshotRun } from '../snapshot/run.js';
import { openSink } from '../snapshot/scan/sink.js';
import { beginSnapshot } from '../snapshot/scan/step.js';
import { hasExpiry } from '../snapshot/sent-value.js';
import type { SnapshotSettings } from '../snapshot/settings.js';
import { classifyKey } from '../soulcaster/keys.js';
import { inputOf, parseRestoreCheckpoint, type RestoreCheckpoint } from './checkpoint.js';
import type { Comparison } from './compare/index.js';
import type { RestorePorts, RestoreSettings } from './context.js';
import type { RestoreInput } from './model.js';
import { enter } from './phases.js';
import { listMode, possibleMatcher, projectsOf } from './selected.js';

const PREFIX = 'safety-';

/**
 * The phases that take the safety snapshot: those of an ordinary snapshot of the target, within the restore's run. So
 * it has the restore's id, and all that makes a snapshot survive holds for it as well.
 */
export function safetyPhases(ports: RestorePorts, settings: RestoreSettings): Record<string, SerialPhase | TaskPhase> {
  const definitionFor = (run: RunRecord): RunDefinition =>
    snapshotRun(
      { ...ports, redis: ports.redisOf(inputOf(run).target) },
      { ...settings.safety, ...undoesOf(inputOf(run)), ...touched(inputOf(run)) },
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

/**
 * The checkpoint of the safety snapshot before the plan is made, whose tasks save what they read (`foundSaver`). Null where
 * nothing is saved, and for an empty target. Throws `wrong-key` where the proof of lists would not be able to read it.
 */
export async function beginSafety(
  ports: RestorePorts,
  input: RestoreInput,
  { targetEmpty }: Pick<RestoreCheckpoint, 'targetEmpty'>,
): Promise<SnapshotCheckpoint | null> {
  if (input.dryRun || !input.safety || targetEmpty) return null;
  if (listMode(input) !== 'replace') await demandReadable(ports);
  return beginSnapshot({ ...ports, redis: ports.redisOf(input.target) }, firstCheckpoint());
}

/** That no list loses a member is proven by the safety snapshot: an identity that does not open it would be found after the last write. */
async function demandReadable({ encryptor }: Pick<RestorePorts, 'encryptor'>): Promise<void> {
  try {
    await encryptor.open(await encryptor.encrypt(Buffer.from('probe')), encryptor.suffix);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'wrong-key') throw error;
    throw new AppError(
      'wrong-key',
      'What is in the target now would be saved encrypted, and no identity here opens it: that no list lost a member could not be proven. Nothing was written',
      {
        hint: `Set BACKUP_AGE_IDENTITY to the identity of one of BACKUP_AGE_RECIPIENTS, or ${WITHOUT}`,
        cause: error,
      },
    );
  }
}

/** What one task of the plan has saved. A type, not an interface: it is stored as JSON. */
export type Saved = {
  readonly parts: readonly Part[];
  /** Records with an expiry. */
  readonly expiring: number;
};

/** Writes what the plan's comparison read into parts of the safety snapshot, so that the target is read once for both. */
export interface FoundSaver {
  save(compared: Comparison): Promise<void>;
  /** Stores what is left. Only parts that a task's result names count: a task that is done again writes others. */
  close(): Promise<Saved>;
}

export function foundSaver(
  { encryptor, store }: Pick<RestorePorts, 'encryptor' | 'store'>,
  { partBytes }: SnapshotSettings,
  run: RunRecord,
  task: number,
): FoundSaver {
  const writer = `t${task}-${randomUUID().slice(0, 8)}`;
  const sink = openSink({ encryptor, store, snapshot: run.id, fence: run.fence, firstIndex: 0, writer });
  const parts: Part[] = [];
  let expiring = 0;
  const cut = (): Promise<void> =>
    sink.cut((part) => {
      parts.push(part);
      return Promise.resolve();
    });
  return {
    async save({ found, record: { first } }) {
      if (found === null) return;
      if (hasExpiry(found)) expiring += 1;
      await sink.write(found, { begins: keyOf(first), type: first.t });
      if (sink.openBytes >= partBytes) await cut().catch(rethrow);
    },
    async close() {
      if (sink.openBytes > 0) await cut().catch(rethrow);
      await sink.flush().catch(rethrow);
      return { parts, expiring };
    },
  };
}

/**
 * Begins the safety snapshot's phases. Where the plan's tasks have saved what they read, its scan is over, and the walk over all
 * names reads what no record of the restore is for; else, as for an empty target, everything is read.
 */
export function enterSafety(state: RestoreCheckpoint, run: string, saved: readonly Saved[], now: number): StepOutcome {
  if (state.safety === null) return enter('safety-scan', { ...state, undo: run, safety: firstCheckpoint() }, 0, now);
  const begun = parseCheckpoint(state.safety);
  const expiring = saved.reduce((sum, task) => sum + task.expiring, 0);
  const safety = {
    ...begun,
    cursor: null,
    parts: saved.flatMap(({ parts }) => parts),
    names: { ...begun.names, expiring, scanned: false },
    window: { ...begun.window, to: new Date(now).toISOString() },
  };
  return enter('safety-recheck', { ...state, undo: run, safety }, 0, now);
}

/** What the safety snapshot says of the restore that it undoes; nothing for everything in the database that is backed up. */
function undoesOf({ scope, target }: RestoreInput): Pick<SnapshotSettings, 'undoes'> {
  if ('all' in scope) return target === null ? {} : { undoes: { project: null, target } };
  if ('project' in scope) return { undoes: { project: scope.project, target } };
  return { undoes: { project: null, target, scope: JSON.stringify(scope) } };
}

/**
 * Of a restore that names projects, what it may touch: their keys, and keys that name no project. To read those of all other projects
 * first would make the restore of one wait for the whole database.
 */
function touched({ scope }: RestoreInput): Pick<SnapshotSettings, 'only'> {
  const projects = new Set(projectsOf(scope));
  if (projects.size === 0) return {};
  const matches = possibleMatcher(scope);
  return {
    only(key) {
      const known = classifyKey(key.toString('utf8'));
      return known.project === null || projects.has(known.project) || matches(key, known) !== 'other';
    },
  };
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
