import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import type { Leg, StepOutcome } from '../runs/model.js';
import { inputOf, parseRestoreCheckpoint } from './checkpoint.js';
import { chooseManifest } from './choose.js';
import type { RestorePorts } from './context.js';

/** Looks at the snapshot and at the target before anything is begun. */
export async function openStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const input = inputOf(leg.run);
  const state = parseRestoreCheckpoint(leg.run.checkpoint);
  // Whether an incomplete one will do was decided when the run was asked for.
  const manifest = await chooseManifest(ports, input.snapshot, true);
  const checkpoint = {
    ...state,
    shiftMs: Math.max(0, state.startedAt - Date.parse(manifest.window.to)),
    targetEmpty: (await sizeOf(ports.redisOf(input.target))) === 0,
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

export async function sizeOf(redis: RedisPort): Promise<number> {
  const [reply] = await redis.pipeline([['DBSIZE']]);
  if (reply !== undefined && 'value' in reply) return Number(reply.value);
  throw new AppError('redis-denied', 'The target refuses DBSIZE', {
    hint: 'Restore with the standard REST token of the target; docs/operations.md names the commands that are needed.',
  });
}
