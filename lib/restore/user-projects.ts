import { AppError } from '../errors.js';
import type { RedisCommand, RedisPort } from '../ports/redis.js';
import { pipelineInHalves } from '../redis/halving.js';
import { buildKey, classifyKey } from '../soulcaster/keys.js';
import { errorKind } from '../snapshot/read/batch.js';
import { keyMatcher } from '../soulcaster/selection.js';
import { asFacts, type RestoreContext } from './context.js';
import { selectionOf, type ScopeFacts } from './selected.js';
import type { LiveKey } from './walk.js';
import { commandError } from './write/errors.js';
import { about } from './write/refusal.js';

/** A project, and the set of the projects of one of its users. */
interface Membership {
  readonly project: string;
  readonly user: string;
}

type Context = Pick<RestoreContext, 'erased' | 'facts' | 'input' | 'redis' | 'state'>;

/** How many projects are lacking from the sets of their users now. */
export async function countJoins(context: Context): Promise<number> {
  return (await lackingFrom(context)).length;
}

/** Adds the projects to their users' sets, which hold other projects as well and so are never written over. */
export async function joinUsers(context: Context): Promise<void> {
  // To add what is there needs room all the same, and a database that is full has none.
  await each(context.redis, await lackingFrom(context), (key, project) => ['SADD', key, project]);
  await each(context.redis, membershipsLeft(context), (key, project) => ['SREM', key, project]);
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

/** How many projects are taken from the sets of their users: only an undo does that. */
export function countLeaves(context: Context): number {
  return membershipsLeft(context).length;
}

/** Those that the restore made which is now undone. */
function membershipsLeft(context: Context): Membership[] {
  const { facts, input, state } = context;
  if (!input.undoes || input.mode !== 'replace') return [];
  const live = memberships(context, asFacts(input.scope, state.liveFacts));
  return live.filter(({ project, user }) => facts.byProject.get(project)?.users.has(user) !== true);
}

async function lackingFrom(context: Context): Promise<Membership[]> {
  const { facts, redis } = context;
  const wanted = memberships(context, facts);
  const members = await each(redis, wanted, (key, project) => ['SISMEMBER', key, project]);
  return wanted.filter((_, at) => members[at] === 0);
}

/** Those that facts tell of, in sets that the scope's families, keys and patterns leave in. */
function memberships(
  { input: { scope }, erased }: Pick<RestoreContext, 'input' | 'erased'>,
  { byProject }: ScopeFacts,
): Membership[] {
  const fits = keyMatcher({ ...selectionOf(scope), projects: [] });
  return [...byProject].flatMap(([project, { users }]) =>
    [...users]
      .filter((user) => fits(Buffer.from(setOf(user))) !== 'other' && !erased.has(classifyKey(setOf(user))))
      .map((user) => ({ project, user })),
  );
}

async function each(
  redis: RedisPort,
  memberships: readonly Membership[],
  command: (key: string, project: string) => RedisCommand,
): Promise<unknown[]> {
  if (memberships.length === 0) return [];
  const commands = memberships.map(({ project, user }) => command(setOf(user), project));
  const replies = await pipelineInHalves(redis, commands);
  return replies.map((reply, at) => {
    if ('value' in reply) return reply.value;
    const [name = '', key = ''] = commands[at] ?? [];
    throw about(key, errorKind(reply.error) === 'WRONGTYPE' ? wrongType() : commandError(name, reply.error));
  });
}

function wrongType(): AppError {
  return new AppError('redis-command', "A user's set of projects is not a set in the target", {
    hint: 'Look at the key; remove it or rename it, then run the restore again.',
  });
}

function setOf(user: string): string {
  return buildKey('user-projects', { user });
}
