import { AppError } from '../errors.js';
import type { RedisCommand, RedisPort } from '../ports/redis.js';
import { pipelineInHalves } from '../redis/halving.js';
import { buildKey, classifyKey } from '../soulcaster/keys.js';
import { errorKind } from '../snapshot/read/batch.js';
import { keyMatcher } from '../soulcaster/selection.js';
import { asFacts } from './facts.js';
import type { RestoreContext } from './context.js';
import { selectionOf, type ScopeFacts } from './scope.js';
import { commandError, attachKey } from './write/errors.js';

/** A project, and a user on whose list it is. */
interface Membership {
  readonly project: string;
  readonly user: string;
}

type Context = Pick<RestoreContext, 'erased' | 'facts' | 'input' | 'redis' | 'state'>;

/** How many projects the sets of their users lack now. */
export async function countJoins(context: Context): Promise<number> {
  return (await missingMemberships(context)).length;
}

/** Adds the projects to their users' sets. The sets hold other projects as well, so they are never overwritten. */
export async function updateUserProjects(context: Context): Promise<void> {
  // SADD of a present member also needs memory, and a full database has none: only missing ones are added.
  await runForEach(context.redis, await missingMemberships(context), (key, project) => ['SADD', key, project]);
  await runForEach(context.redis, membershipsToRemove(context), (key, project) => ['SREM', key, project]);
}

/** How many projects are removed from the sets of their users: only by an undo. */
export function countLeaves(context: Context): number {
  return membershipsToRemove(context).length;
}

/** The memberships that the restore added and its undo removes. */
function membershipsToRemove(context: Context): Membership[] {
  const { facts, input, state } = context;
  if (!input.undoes || input.mode !== 'replace') return [];
  const live = memberships(context, asFacts(input.scope, state.liveFacts));
  return live.filter(({ project, user }) => facts.byProject.get(project)?.users.has(user) !== true);
}

async function missingMemberships(context: Context): Promise<Membership[]> {
  const { facts, redis } = context;
  const wanted = memberships(context, facts);
  const members = await runForEach(redis, wanted, (key, project) => ['SISMEMBER', key, project]);
  return wanted.filter((_, at) => members[at] === 0);
}

/** The memberships in the facts, of sets that match the scope's families, keys and patterns. */
function memberships(
  { input: { scope }, erased }: Pick<RestoreContext, 'input' | 'erased'>,
  { byProject }: ScopeFacts,
): Membership[] {
  const fits = keyMatcher({ ...selectionOf(scope), projects: [] });
  return [...byProject].flatMap(([project, { users }]) =>
    [...users]
      .filter((user) => fits(Buffer.from(listKeyOf(user))) !== 'other' && !erased.has(classifyKey(listKeyOf(user))))
      .map((user) => ({ project, user })),
  );
}

async function runForEach(
  redis: RedisPort,
  memberships: readonly Membership[],
  command: (key: string, project: string) => RedisCommand,
): Promise<unknown[]> {
  if (memberships.length === 0) return [];
  const commands = memberships.map(({ project, user }) => command(listKeyOf(user), project));
  const replies = await pipelineInHalves(redis, commands);
  return replies.map((reply, at) => {
    if ('value' in reply) return reply.value;
    const [name = '', key = ''] = commands[at] ?? [];
    throw attachKey(key, errorKind(reply.error) === 'WRONGTYPE' ? wrongTypeError() : commandError(name, reply.error));
  });
}

function wrongTypeError(): AppError {
  return new AppError('redis-command', "A user's set of projects is not a set in the target", {
    hint: 'Check the key, remove or rename it, then run the restore again.',
  });
}

function listKeyOf(user: string): string {
  return buildKey('user-projects', { user });
}
