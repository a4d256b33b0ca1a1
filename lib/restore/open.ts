import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import { runOne } from '../redis/run-one.js';
import type { Attempt, StepOutcome } from '../runs/model.js';
import { loadBoundManifest } from '../snapshot/statements.js';
import { loadErasedIds } from '../snapshot/erasures.js';
import { assertNotBeingRemoved } from '../snapshot/tombstone.js';
import { inputOf, parseRestoreCheckpoint, type RestoreCheckpoint } from './checkpoint.js';
import { chooseManifest, assertSource } from './choose.js';
import type { RestorePorts } from './context.js';
import { SCRATCH_MARK } from './staged.js';
import { clockAheadOf } from './target-clock.js';

/** Checks the snapshot and the target before the restore begins. */
export async function openStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const input = inputOf(attempt.run);
  const state = parseRestoreCheckpoint(attempt.run.checkpoint);
  await assertNotBeingRemoved(ports, attempt.run.id, input.snapshot);
  // Whether an incomplete snapshot is allowed was decided when the run was requested.
  const manifest = await chooseManifest(ports, input.snapshot, true);
  const bound = await loadBoundManifest(ports, input.snapshot, null);
  await assertSource(ports, manifest, ports.redisOf(input.target), input);
  const target = ports.redisOf(input.target);
  const startedAt = state.startedAt + (await clockAheadOf(target, ports.clock));
  const checkpoint = {
    ...state,
    manifestSha256: bound?.sha256 ?? null,
    shiftMs: Math.max(0, startedAt - Date.parse(manifest.window.to)),
    erased: await loadErased(ports),
    targetEmpty: await isEmpty(target),
    times: [...state.times, ['check', ports.clock.now()] as [string, number]],
  };
  const tasks = manifest.parts.length;
  return {
    to: 'phase',
    phase: 'check',
    tasks,
    checkpoint,
    progress: { done: 0, total: tasks, unit: 'parts', bytes: 0 },
  };
}

async function loadErased(ports: RestorePorts): Promise<RestoreCheckpoint['erased']> {
  const { projects, users } = await loadErasedIds(ports, ports.otherErasures ?? null);
  return { users: [...users], projects: [...projects], facts: [] };
}

/** The mark of a scratch database does not count as data. */
async function isEmpty(redis: RedisPort): Promise<boolean> {
  const marks = (await isMarked(redis)) ? 1 : 0;
  return (await sizeOf(redis)) === marks;
}

/** Whether the database has the mark of a scratch database. */
export async function isMarked(redis: RedisPort): Promise<boolean> {
  const found = await runOne(redis, (sdk) => sdk.exists(SCRATCH_MARK));
  return 'value' in found && found.value === 1;
}

/** Number of keys in the database. Throws `redis-denied` when DBSIZE is denied. */
export async function sizeOf(redis: RedisPort): Promise<number> {
  const size = await runOne(redis, (sdk) => sdk.dbsize());
  if ('value' in size) return size.value;
  throw new AppError('redis-denied', 'The target refuses DBSIZE', {
    hint: 'Restore with the standard REST token of the target; docs/operations.md names the commands that are needed.',
  });
}
