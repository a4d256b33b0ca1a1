import { randomUUID } from 'node:crypto';
import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Attempt, RunDefinition, RunRecord, SerialPhase, StepOutcome, TaskPhase } from '../runs/model.js';
import { firstCheckpoint, parseCheckpoint, type SnapshotCheckpoint } from '../snapshot/checkpoint.js';
import { loadManifest, type Part, type Manifest } from '../snapshot/manifest.js';
import { keyOf } from '../snapshot/record.js';
import { snapshotRun } from '../snapshot/run.js';
import { openSink } from '../snapshot/scan/sink.js';
import { beginSnapshot } from '../snapshot/scan/step.js';
import { hasExpiry } from '../snapshot/sent-value.js';
import type { SnapshotSettings } from '../snapshot/settings.js';
import { classifyKey } from '../soulcaster/keys.js';
import type { ObjectStore } from '../ports/store.js';
import { inputOf, parseRestoreCheckpoint, enterPhase, type RestoreCheckpoint } from './checkpoint.js';
import type { Comparison } from './compare/index.js';
import type { RestorePorts, RestoreSettings } from './context.js';
import type { RestoreInput } from './model.js';
import { listMode, possibleMatcher, projectsOf } from './scope.js';

const PREFIX = 'safety-';

/**
 * The phases of the safety snapshot: those of an ordinary snapshot of the target, within the restore's run. So the
 * snapshot has the restore's id, and resumes and retries as any snapshot does.
 */
export function safetyPhases(ports: RestorePorts, settings: RestoreSettings): Record<string, SerialPhase | TaskPhase> {
  const definitionFor = (run: RunRecord): RunDefinition =>
    snapshotRun(
      { ...ports, redis: ports.redisOf(inputOf(run).target) },
      { ...settings.safety, ...undoesOf(inputOf(run)), ...limitsOf(inputOf(run)) },
    );
  const serial = (name: 'scan' | 'recheck' | 'seal'): SerialPhase => ({
    type: 'serial',
    step: async (attempt) => {
      const phase = definitionFor(attempt.run).phases[name] as SerialPhase;
      const outcome = await phase.step(innerAttempt(attempt)).catch(rethrowStoreError);
      return outerOutcome(ports, parseRestoreCheckpoint(attempt.run.checkpoint), outcome);
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
 * The checkpoint of the safety snapshot before the plan, whose tasks save what they read (`foundSaver`). Null when
 * nothing is saved, and for an empty target. Throws `wrong-key` when the proof of lists could not read the snapshot.
 */
export async function beginSafety(
  ports: RestorePorts,
  input: RestoreInput,
  { targetEmpty }: Pick<RestoreCheckpoint, 'targetEmpty'>,
): Promise<SnapshotCheckpoint | null> {
  if (input.dryRun || !input.safety || targetEmpty) return null;
  if (listMode(input) !== 'replace') await assertCanOpen(ports);
  return beginSnapshot({ ...ports, redis: ports.redisOf(input.target) }, firstCheckpoint());
}

/** The proof of lists reads the safety snapshot: without an identity it would fail only after the last write. */
async function assertCanOpen({ encryptor }: Pick<RestorePorts, 'encryptor'>): Promise<void> {
  try {
    await encryptor.open(await encryptor.encrypt(Buffer.from('probe')), encryptor.suffix);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'wrong-key') throw error;
    throw new AppError(
      'wrong-key',
      'The safety snapshot would be encrypted and no identity here opens it, so the proof that no list lost a member would fail. Nothing was written',
      {
        hint: `Set BACKUP_AGE_IDENTITY to the identity of one of BACKUP_AGE_RECIPIENTS, or ${NO_SAFETY_HINT}`,
        cause: error,
      },
    );
  }
}

/** What one task of the plan saved. A type, not an interface: it is stored as JSON. */
export type Saved = {
  readonly parts: readonly Part[];
  readonly expiring: number;
};

/** Writes what the plan's comparison read into parts of the safety snapshot, so that one read of the target serves both. */
interface FoundSaver {
  save(compared: Comparison): Promise<void>;
  /** Stores the rest. Only parts named in a task's result count: a task that runs again writes others. */
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
      if (sink.openBytes >= partBytes) await cut().catch(rethrowStoreError);
    },
    async close() {
      if (sink.openBytes > 0) await cut().catch(rethrowStoreError);
      await sink.flush().catch(rethrowStoreError);
      return { parts, expiring };
    },
  };
}

/**
 * Begins the phases of the safety snapshot. If the plan's tasks saved what they read, the scan is done and the recheck
 * reads the keys without a record in the restore; otherwise, as for an empty target, everything is read.
 */
export function enterSafety(state: RestoreCheckpoint, run: string, saved: readonly Saved[], now: number): StepOutcome {
  if (state.safety === null)
    return enterPhase('safety-scan', { ...state, undo: run, safety: firstCheckpoint() }, 0, now);
  const begun = parseCheckpoint(state.safety);
  const expiring = saved.reduce((sum, task) => sum + task.expiring, 0);
  const safety = {
    ...begun,
    cursor: null,
    parts: saved.flatMap(({ parts }) => parts),
    names: { ...begun.names, expiring, scanned: false },
    window: { ...begun.window, to: new Date(now).toISOString() },
  };
  return enterPhase('safety-recheck', { ...state, undo: run, safety }, 0, now);
}

/** The manifest's `undoes`: the restore that the safety snapshot undoes; nothing for everything in the protected database. */
function undoesOf({ scope, target }: RestoreInput): Pick<SnapshotSettings, 'undoes'> {
  if ('all' in scope) return target === null ? {} : { undoes: { project: null, target } };
  if ('project' in scope) return { undoes: { project: scope.project, target } };
  return { undoes: { project: null, target, scope: JSON.stringify(scope) } };
}

/**
 * Limits the safety snapshot of a restore that names projects to the keys it may change: those of these projects, and
 * keys that name none. Reading all other projects first would make the restore of one wait for the whole database.
 */
function limitsOf({ scope }: RestoreInput): Pick<SnapshotSettings, 'only'> {
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

/** The attempt for the snapshot's phases, with their own checkpoint and phase names. */
function innerAttempt(attempt: Attempt): Attempt {
  const withSafety = (safety: Json): Json => ({ ...parseRestoreCheckpoint(attempt.run.checkpoint), safety });
  return {
    get run() {
      return innerRun(attempt.run);
    },
    fence: attempt.fence,
    signal: attempt.signal,
    confirm: () => attempt.confirm(),
    timeIsUp: () => attempt.timeIsUp(),
    save: (checkpoint, progress) => attempt.save(withSafety(checkpoint), progress),
    report: (progress) => attempt.report(progress),
    results: (phase) => attempt.results(`${PREFIX}${phase}`),
  };
}

function outerOutcome(ports: RestorePorts, state: RestoreCheckpoint, outcome: StepOutcome): StepOutcome {
  if (outcome.to === 'end') return endedOutcome(ports, state, outcome);
  const checkpoint = { ...state, safety: outcome.checkpoint };
  return outcome.to === 'later'
    ? { ...outcome, checkpoint }
    : { ...outcome, phase: `${PREFIX}${outcome.phase}`, checkpoint };
}

/** A restore that could not be undone does not begin, unless it was requested without a safety snapshot. */
function endedOutcome(
  ports: RestorePorts,
  state: RestoreCheckpoint,
  outcome: StepOutcome & { to: 'end' },
): StepOutcome {
  if (outcome.state === 'succeeded') return enterPhase('fence', { ...state, safety: null }, 0, ports.clock.now());
  const { error, result } = outcome;
  const message = notSavedMessage(error?.message ?? 'no reason given');
  const hint = `Fix this and start again, or ${NO_SAFETY_HINT}`;
  return {
    to: 'end',
    state: 'failed',
    result: { safety: result },
    error: { code: error?.code ?? 'incomplete', message, hint },
  };
}

const NO_SAFETY_HINT = 'restore without the safety snapshot (--no-safety): then the restore cannot be undone.';

function notSavedMessage(reason: string): string {
  return `The current data of the target could not be saved first: ${reason}. Nothing was written.`;
}

/** A permanent store error while saving fails the restore; its message says that nothing was written. */
function rethrowStoreError(error: unknown): never {
  if (!(error instanceof AppError) || error.transient || !error.code.startsWith('store-')) throw error;
  const hint = `${error.hint} Then start again, or ${NO_SAFETY_HINT}`;
  throw new AppError(error.code, notSavedMessage(error.message), { hint, cause: error });
}

/**
 * The manifest of the restore's safety snapshot. Throws `damaged` when it is gone: taken as empty, nothing would be
 * removed, and no list would be proven to have kept its members.
 */
export async function loadSafetyManifest(store: ObjectStore, id: string): Promise<Manifest> {
  const loaded = await loadManifest(store, id);
  if (loaded !== null) return loaded.manifest;
  throw new AppError('damaged', `The safety snapshot of the restore, ${id}, is gone from the store`, {
    hint: 'Find out what removes objects from the store, stop it and start the restore again.',
  });
}
