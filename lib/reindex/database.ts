import { AppError } from '../errors.js';
import type { RedisCommand, RedisPort, RedisValue, Reply } from '../ports/redis.js';
import { inHalves } from '../redis/halving.js';
import { classifyKey } from '../soulcaster/keys.js';

/**
 * Names of keys by project, which is also the namespace. '' stands for data from before there were projects, which is kept
 * in the default namespace.
 */
export function itemKey(project: string, item: string): string {
  return project === '' ? `feedback:${item}` : `feedback:${project}:${item}`;
}

export function clusterItemsKey(project: string, cluster: string): string {
  return project === '' ? `cluster:items:${cluster}` : `cluster:${project}:${cluster}:items`;
}

export function clusterKey(project: string, cluster: string): string {
  return project === '' ? `cluster:${cluster}` : `cluster:${project}:${cluster}`;
}

export function clustersKey(project: string): string {
  return project === '' ? 'clusters:all' : `clusters:${project}:all`;
}

/** The list of a project's items, ordered by creation time. */
export function createdKey(project: string): string {
  return project === '' ? 'feedback:created' : `feedback:created:${project}`;
}

/** Whether a member of a list can be an item's id: not if it is not UTF-8 or contains a colon. */
export function canBeItem(project: string, id: string): boolean {
  const { family, item } = classifyKey(itemKey(project, id));
  return (family === 'feedback' || family === 'legacy-feedback') && item === id && !id.includes('\ufffd');
}

export function canBeCluster(project: string, id: string): boolean {
  const { cluster, family } = classifyKey(clusterItemsKey(project, id));
  return (family === 'cluster-items' || family === 'legacy-cluster-items') && cluster === id;
}

/** Whether a text can be the id of a project; other namespaces do not belong to the application. */
export function canBeProject(text: string): boolean {
  const { family, project } = classifyKey(itemKey(text, 'item'));
  return text !== '' && family === 'feedback' && project === text;
}

/** Commands per request, at most. */
const COMMANDS = 500;

/** In place of a reply: the key is of another type. */
export const WRONG_TYPE = Symbol('wrong type');
/** In place of a reply: a single reply exceeds the size limit. */
export const TOO_LARGE = Symbol('too large');
export type Answer = RedisValue | typeof WRONG_TYPE | typeof TOO_LARGE;

/**
 * Runs any number of commands. If the replies are too large, the commands are split into smaller requests. Throws the port's
 * errors, and `redis-command` when Redis refuses a command for another reason than the key's type.
 */
export async function runCommands(redis: RedisPort, commands: readonly RedisCommand[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let at = 0; at < commands.length; at += COMMANDS) {
    const run = async (some: readonly RedisCommand[]): Promise<Answer[]> =>
      (await redis.pipeline(some)).map((reply, index) => answerOf(some[index]?.[0] ?? 'a command', reply));
    answers.push(...(await inHalves(commands.slice(at, at + COMMANDS), run, (): Answer => TOO_LARGE)));
  }
  return answers;
}

/** The value of a reply. Throws `redis-command` when Redis refused the command for another reason than the key's type. */
export function answerOf<T>(command: string, reply: Reply<T>): T | typeof WRONG_TYPE {
  if ('value' in reply) return reply.value;
  if (reply.error.startsWith('WRONGTYPE')) return WRONG_TYPE;
  throw new AppError('redis-command', `Redis refused ${command}`, {
    hint: 'Use the standard REST token of the database; docs/operations.md lists the commands that are needed.',
  });
}

/** The elements of an array; empty for any other reply. */
export function listOf(answer: Answer | undefined): readonly RedisValue[] {
  return Array.isArray(answer) ? answer : [];
}

export function textOf(answer: Answer | undefined): string | null {
  return Buffer.isBuffer(answer) ? answer.toString('utf8') : null;
}
