import { AppError } from '../errors.js';
import type { RedisCommand, RedisPort } from '../ports/redis.js';
import type { RestoreContext } from './context.js';
import type { LiveKey } from './walk.js';

/** How many of the project's users do not have it among their projects now. */
export async function countJoins(context: RestoreContext): Promise<number> {
  const members = await each(context, (key, project) => ['SISMEMBER', key, project]);
  return members.filter((member) => member === 0).length;
}

/** Adds the project to its users' sets, which hold other projects as well and so are never written over. */
export async function joinUsers(context: RestoreContext): Promise<void> {
  // To add what is there needs room all the same, and a database that is full has none.
  const members = await each(context, (key, project) => ['SISMEMBER', key, project]);
  const lacking = context.state.facts.users.filter((_, at) => members[at] === 0);
  await each(context, (key, project) => ['SADD', key, project], lacking);
  await leaveUsers(context);
}

/** Of the keys given, the users whose set of projects has the project; a key of another type lists nothing. */
export async function usersListing(
  redis: RedisPort,
  project: string,
  keys: readonly LiveKey[],
): Promise<readonly string[]> {
  const lists = keys.filter(({ known }) => known.family === 'user-projects');
  if (lists.length === 0) return [];
  const replies = await redis.pipeline(lists.map(({ key }): RedisCommand => ['SISMEMBER', key, project]));
  return lists.flatMap(({ known: { user } }, at) => {
    const reply = replies[at];
    return user !== undefined && reply !== undefined && 'value' in reply && reply.value === 1 ? [user] : [];
  });
}

/** Users whose list the restore put the project on that is now undone. */
function usersLeft({ input, state }: RestoreContext): readonly string[] {
  if (!input.undoes || input.mode !== 'replace') return [];
  return state.liveFacts.users.filter((user) => !state.facts.users.includes(user));
}

/** How many users lose the project from their set: only an undo takes it away. */
export function countLeaves(context: RestoreContext): number {
  return usersLeft(context).length;
}

async function leaveUsers(context: RestoreContext): Promise<void> {
  const { input, redis } = context;
  const users = usersLeft(context);
  if ('all' in input.scope || users.length === 0) return;
  const { project } = input.scope;
  await redis.pipeline(users.map((user) => ['SREM', `user:projects:${user}`, project]));
}

async function each(
  { input, redis, state }: RestoreContext,
  command: (key: string, project: string) => RedisCommand,
  users: readonly string[] = state.facts.users,
): Promise<unknown[]> {
  if ('all' in input.scope || users.length === 0) return [];
  const { project } = input.scope;
  const replies = await redis.pipeline(users.map((user) => command(`user:projects:${user}`, project)));
  return replies.map((reply) => {
    if ('value' in reply) return reply.value;
    throw new AppError('redis-command', "A user's set of projects is not a set in the target", {
      hint: 'Look at the keys user:projects:* of the target; remove or rename the one that is of another type.',
    });
  });
}
