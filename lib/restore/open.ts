import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import type { Leg, StepOutcome } from '../runs/model.js';
import { boundManifest } from '../snapshot/bound-manifest.js';
import { demandStanding } from '../snapshot/standing.js';
import { inputOf, parseRestoreCheckpoint } from './checkpoint.js';
import { chooseManifest, demandSource } from './choose.js';
import type { RestorePorts } from './context.js';
import { SCRATCH_MARK } from './staged.js';

/** Looks at the snapshot and at the target before anything is begun. */
export async function openStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const input = inputOf(leg.run);
  const state = parseRestoreCheckpoint(leg.run.checkpoint);
  await demandStanding(ports, leg.run.id, input.snapshot);
  // Whether an incomplete one will do was decided when the run was asked for.
  const manifest = await chooseManifest(ports, input.snapshot, true);
  const bound = await boundManifest(ports, input.snapshot, null);
  await demandSource(ports, manifest, ports.redisOf(input.target), input);
  const checkpoint = {
    ...state,
    manifestSha256: bound?.sha256 ?? null,
    shiftMs: Math.max(0, state.startedAt - Date.parse(manifest.window.to)),
    targetEmpty: await isEmpty(ports.redisOf(input.target)),
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

/** The mark of a scratch database is no data. */
async function isEmpty(redis: RedisPort): Promise<boolean> {
  const [marked] = await redis.pipeline([['EXISTS', SCRATCH_MARK]]);
  const mark = marked !== undefined && 'value' in marked ? Number(marked.value) : 0;
  return (await sizeOf(redis)) === mark;
}

/** Keys in a database. Throws `redis-denied` when it does not say. */
export async function sizeOf(redis: RedisPort): Promise<number> {
  const [reply] = await redis.pipeline([['DBSIZE']]);
  if (reply !== undefined && 'value' in reply) return Number(reply.value);
  throw new AppError('redis-denied', 'The target refuses DBSIZE', {
    hint: 'Restore with the standard REST token of the target; docs/operations.md names the commands that are needed.',
  });
}
