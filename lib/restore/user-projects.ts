import { AppError } from '../errors.js';
import type { RedisCommand } from '../ports/redis.js';
import type { RestoreContext } from './context.js';

/** How many of the project's users do not have it among their projects now. */
export async function countJoins(context: RestoreContext): Promise<number> {
  const members = await each(context, (key, project) => ['SISMEMBER', key, project]);
  return members.filter((member) => member === 0).length;
}

/** Adds the project to its users' sets, which hold other projects as well and so are never written over. */
export async function joinUsers(context: RestoreContext): Promise<void> {
  await each(context, (key, project) => ['SADD', key, project]);
}

async function each(
  { input, redis, state }: RestoreContext,
  command: (key: string, project: string) => RedisCommand,
): Promise<unknown[]> {
  if ('all' in input.scope || state.facts.users.length === 0) return [];
  const { project } = input.scope;
  const replies = await redis.pipeline(state.facts.users.map((user) => command(`user:projects:${user}`, project)));
  return replies.map((reply) => {
    if ('value' in reply) return reply.value;
    throw new AppError('redis-command', "A user's set of projects is not a set in the target", {
      hint: 'Look at the keys user:projects:* of the target; remove or rename the one that is of another type.',
    });
  });
}
