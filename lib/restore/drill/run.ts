import { hasWritten } from '../unfinished.js';
import type { Engine, Started } from '../../runs/engine.js';
import type { Trigger } from '../../runs/records.js';
import type { Attempt, RunDefinition, SerialPhase, StepOutcome, TaskPhase } from '../../runs/model.js';
import { catalogEntry } from '../../snapshot/catalog.js';
import { loadManifest } from '../../snapshot/manifest.js';
import { sourceOf } from '../../snapshot/source.js';
import { trustContext } from '../../snapshot/trust.js';
import { latestTrusted } from '../../snapshot/latest.js';
import { AppError } from '../../errors.js';
import type { RedisPort, Reply } from '../../ports/redis.js';
import { isFull } from '../../redis/at-once.js';
import { runOne } from '../../redis/run-one.js';
import { hasIdentity } from '../choose.js';
import { firstRestoreCheckpoint, inputOf, parseRestoreCheckpoint, enterPhase } from '../checkpoint.js';
import type { RestorePorts, RestoreSettings } from '../context.js';
import type { RestoreInput } from '../model.js';
import { DRILL } from '../kinds.js';
import { restoreRun } from '../run.js';
import { isMarked, SCRATCH_MARK, countKeys } from '../target.js';
import { DRILL_LEASE, DRILL_TARGET, drillSchema, writeDrill, type Drill } from './record.js';

const FULL = 'the scratch database has no room: it is empty and refuses writes (check its maxmemory)';

/** The times in the report of the restore. */
const writtenSchema = drillSchema.pick({ restoredMilliseconds: true, restoredAt: true, provenAt: true });

const REMAINS =
  'The scratch database still holds what the drill had restored. The next drill empties it: `npx soulcaster-backup drill --env-file .env`.';

interface DrillPorts extends RestorePorts {
  /** Whether a scratch database is configured. */
  readonly hasScratch: boolean;
}

/**
 * The run that proves that the newest verified snapshot can be restored: all phases of a restore into a scratch
 * database, which is wiped before and after.
 */
export function drillRun(ports: DrillPorts, settings: RestoreSettings): RunDefinition {
  const { releaseResources, phases } = restoreRun(ports, settings);
  const drilled = Object.entries(phases).map(([name, phase]) => [name, inScratch(ports, phase)]);
  return {
    ...DRILL,
    lease: DRILL_LEASE,
    // A resumed drill would measure a meaningless time.
    mayResume: () => false,
    ...(releaseResources === undefined ? {} : { releaseResources }),
    describeRemains: (run) => Promise.resolve(hasWritten(run) ? REMAINS : null),
    firstPhase: 'prepare',
    phases: {
      ...(Object.fromEntries(drilled) as RunDefinition['phases']),
      prepare: { type: 'serial', step: (attempt) => prepareStep(ports, attempt) },
    },
  };
}

/**
 * A phase of the restore, run only while the target is a scratch database. The end of the restore is not the drill's.
 */
function inScratch(ports: DrillPorts, phase: SerialPhase | TaskPhase): SerialPhase | TaskPhase {
  const assertTarget = (): Promise<void> => assertScratch(ports.redisOf(DRILL_TARGET), ports.redisOf(null));
  if (phase.type === 'tasks') {
    return {
      ...phase,
      task: async (run, task, signal, turn, confirm) => {
        await assertTarget();
        return phase.task(run, task, signal, turn, confirm);
      },
    };
  }
  return {
    type: 'serial',
    step: async (attempt) => {
      await assertTarget();
      return endDrill(ports, attempt, await phase.step(attempt));
    },
  };
}

type TrustingPorts = Pick<DrillPorts, 'clock' | 'redisOf' | 'signer' | 'store'>;

/** Starts a drill with `latest`. `trigger`: what requested the drill. */
export async function startDrill(ports: TrustingPorts, engine: Engine, trigger?: Trigger): Promise<Started> {
  const newest = await latestTrusted(await trustContext(ports, sourceOf(ports.redisOf(null).host)));
  const input: RestoreInput = {
    snapshot: newest?.id ?? '',
    file: null,
    scope: { all: true },
    mode: 'replace',
    expiry: 'keep',
    dryRun: false,
    target: DRILL_TARGET,
    fromSource: false,
    safety: false,
    undoes: false,
    settle: false,
    reindex: false,
    trigger: 'drill',
  };
  return engine.start({
    kind: 'drill',
    input,
    ...(trigger === undefined ? {} : { trigger }),
    checkpoint: firstRestoreCheckpoint(ports.clock.now()),
    progress: { done: 0, total: newest?.manifest?.counts.keys ?? null, unit: 'keys', bytes: 0 },
  });
}

/** Checks that there are a snapshot and a scratch database. A drill without them is inconclusive, not passed. */
async function prepareStep(ports: DrillPorts, attempt: Attempt): Promise<StepOutcome> {
  const { snapshot } = inputOf(attempt.run);
  const objection = await objectionToDrill(ports, snapshot);
  if (objection !== null) return inconclusive(ports, attempt, objection);
  if (!(await wipeAndMark(ports.redisOf(DRILL_TARGET)))) return inconclusive(ports, attempt, FULL);
  await writeDrill(ports.store, await recordOf(ports, attempt, { outcome: 'started' }));
  const state = { ...parseRestoreCheckpoint(attempt.run.checkpoint), startedAt: ports.clock.now() };
  return enterPhase('open', state, 0, ports.clock.now());
}

async function objectionToDrill(ports: DrillPorts, snapshot: string): Promise<string | null> {
  if (snapshot === '') return 'there is no verified snapshot to restore';
  if (!ports.hasScratch) return 'there is no scratch database: set DRILL_REDIS_REST_URL and DRILL_REDIS_REST_TOKEN';
  const manifest = (await loadManifest(ports.store, snapshot))?.manifest;
  if (manifest !== undefined && !hasIdentity(ports.encryptor, manifest)) {
    return `snapshot ${snapshot} is encrypted and no age identity here opens it; drill on a machine that has the identity: npx soulcaster-backup drill --local --env-file .env`;
  }
  if (manifest?.counts.keys === 0) return `snapshot ${snapshot} holds no keys, so restoring it proves nothing`;
  return objectionTo(ports.redisOf(DRILL_TARGET), ports.redisOf(null));
}

async function inconclusive(ports: DrillPorts, attempt: Attempt, reason: string): Promise<StepOutcome> {
  const drill = await recordOf(ports, attempt, { outcome: 'inconclusive', reason, finishedAt: isoNow(ports) });
  await writeDrill(ports.store, drill);
  const error = {
    code: 'incomplete',
    message: `The drill is inconclusive: ${reason}`,
    hint: 'Nothing was restored, so nothing is proven. Fix this and drill again.',
  } as const;
  return { to: 'end', state: 'incomplete', result: drill, error };
}

/** Wipes the scratch database and writes the drill's record. */
async function endDrill(ports: DrillPorts, attempt: Attempt, outcome: StepOutcome): Promise<StepOutcome> {
  if (outcome.to !== 'end') return outcome;
  const { startedAt } = parseRestoreCheckpoint(attempt.run.checkpoint);
  await assertScratch(ports.redisOf(DRILL_TARGET), ports.redisOf(null));
  await wipe(ports.redisOf(DRILL_TARGET));
  // A snapshot that the scratch database cannot hold is not at fault.
  if (outcome.error?.code === 'not-restorable') {
    const { hint, message } = outcome.error;
    return inconclusive(ports, attempt, `${message.replace('The target', 'The scratch database')} ${hint}`);
  }
  const passed = outcome.state === 'succeeded';
  const written = writtenSchema.safeParse(outcome.result).data;
  const error =
    outcome.error?.code === 'incomplete' ? { ...outcome.error, code: 'not-proven' as const } : outcome.error;
  const drill = await recordOf(ports, attempt, {
    outcome: passed ? 'passed' : 'failed',
    reason: outcome.error?.message ?? null,
    finishedAt: isoNow(ports),
    milliseconds: passed ? ports.clock.now() - startedAt : null,
    ...(passed ? written : {}),
  });
  await writeDrill(ports.store, drill);
  return {
    ...outcome,
    state: passed ? 'succeeded' : outcome.state === 'incomplete' ? 'failed' : outcome.state,
    error,
    result: { ...drill, restore: outcome.result },
  };
}

async function recordOf(
  { store }: DrillPorts,
  attempt: Attempt,
  changes: Partial<Drill> & Pick<Drill, 'outcome'>,
): Promise<Drill> {
  const { snapshot } = inputOf(attempt.run);
  const entry = snapshot === '' ? null : await catalogEntry(store, snapshot);
  return {
    id: attempt.run.id,
    source: attempt.run.source,
    reason: null,
    snapshot: snapshot === '' ? null : snapshot,
    keys: entry?.manifest?.counts.keys ?? 0,
    startedAt: attempt.run.createdAt,
    finishedAt: null,
    milliseconds: null,
    restoredMilliseconds: null,
    restoredAt: null,
    provenAt: null,
    ...changes,
  };
}

function isoNow({ clock }: DrillPorts): string {
  return new Date(clock.now()).toISOString();
}

/** Why a database may not be used for a drill; null when it may. */
type Objection = string | null;

/**
 * Whether a database may be filled and wiped, decided with reads only: by its host and by its content, since one
 * database can have two names. It must be empty while the protected one is not, or have the mark of an earlier drill
 * that the protected one does not have. The protected one is read before and after: if both are one database, keys may
 * be written or deleted between two reads.
 */
async function objectionTo(scratch: RedisPort, primary: RedisPort): Promise<Objection> {
  if (scratch.host === primary.host) return 'the scratch database has the same host as the protected one';
  if (await isMarked(primary)) return 'the protected database has the mark of a scratch database';
  if (await isMarked(scratch)) return null;
  const before = await countKeys(primary);
  const size = await countKeys(scratch);
  const after = await countKeys(primary);
  if (size > 0) {
    const what = `the scratch database holds ${size} keys and is not marked as a scratch database`;
    return (await areToldApart(scratch, primary)) ? `${what}: empty it first` : `${what}; ${MAY_BE_ONE}`;
  }
  return Math.min(before, after) > 0 ? null : 'both databases are empty, so they cannot be told apart';
}

const MAY_BE_ONE =
  'the protected database holds the same keys, so it may be the protected database by another name: do not empty it before `npx soulcaster-backup doctor --env-file .env` has told the two apart';
const SAMPLES = 3;

/**
 * Whether reading shows that two databases with keys are not one: a random key of the first is not in the second, and is still in
 * the first afterwards. A copy of the protected database cannot be told from it this way, nor can one that refuses the reads.
 */
async function areToldApart(scratch: RedisPort, primary: RedisPort): Promise<boolean> {
  for (let sample = 0; sample < SAMPLES; sample++) {
    const [reply] = await scratch.pipeline([['RANDOMKEY']]);
    const key = reply !== undefined && 'value' in reply ? reply.value : null;
    if (!Buffer.isBuffer(key)) return false;
    const counts: (number | null)[] = [];
    for (const redis of [primary, scratch]) {
      const [found] = await redis.pipeline([['EXISTS', key]]);
      counts.push(found !== undefined && 'value' in found && typeof found.value === 'number' ? found.value : null);
    }
    if (counts[0] === 0 && counts[1] === 1) return true;
  }
  return false;
}

/**
 * Throws `config` when a database may no longer be used for the drill. Checked before each phase and task: a deployment
 * in between may have pointed the same variables to another database. One that was wiped at the end of an attempt that
 * died is empty and has no mark.
 */
async function assertScratch(scratch: RedisPort, primary: RedisPort): Promise<void> {
  const objection = await objectionTo(scratch, primary);
  if (objection === null) return;
  throw new AppError('config', `The drill cannot continue: ${objection}`, {
    hint: 'Do not change DRILL_REDIS_REST_URL or its database while a drill is in progress. Nothing more was written; drill again.',
  });
}

/**
 * Empties and marks a scratch database in one transaction: whatever dies, its content is not taken for data. False when
 * it is empty and still too full for the mark.
 */
async function wipeAndMark(scratch: RedisPort): Promise<boolean> {
  for (const attempt of [1, 2]) {
    try {
      assertFlushed(await scratch.transaction([['FLUSHDB'], ['SET', SCRATCH_MARK, '1']]));
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      // A full database refuses MULTI itself; once emptied, it may have room for it.
      if (attempt === 1) await wipe(scratch);
    }
  }
  return false;
}

/** Empties a scratch database, even a full one. */
async function wipe(scratch: RedisPort): Promise<void> {
  assertFlushed([await runOne(scratch, (sdk) => sdk.flushdb())]);
}

function assertFlushed(replies: readonly Reply<unknown>[]): void {
  if (replies.every((reply) => 'value' in reply)) return;
  throw new AppError('redis-denied', 'The scratch database refuses FLUSHDB', {
    hint: 'Set DRILL_REDIS_REST_TOKEN to the standard token of a database that is used for nothing else.',
  });
}
