import { AppError } from '../../errors.js';
import type { RedisCommand, RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';
import { inHalves, pipelineInHalves, saysTooLarge, tooLarge } from '../../redis/halving.js';
import type { Tally } from './rules.js';

/** What every check of one project needs. */
export interface CheckContext {
  readonly redis: RedisPort;
  readonly project: string;
  readonly tally: Tally;
}

/** Commands per request, at most. */
const COMMANDS = 500;

/**
 * Runs any number of commands whose first argument is the key. A key of the wrong type is tallied and its reply is null, as
 * if it did not exist. Throws the port's errors, and `redis-command` when Redis refuses a command for another reason.
 */
export async function runCommands(context: CheckContext, commands: readonly RedisCommand[]): Promise<RedisValue[]> {
  return (await runReplies(context.redis, commands)).map((reply, at) => {
    if (saysTooLarge(reply)) throw tooLarge();
    return valueOf(context, commands[at], reply);
  });
}

/** The reply to each of any number of commands. */
export async function runReplies(redis: RedisPort, commands: readonly RedisCommand[]): Promise<RedisReply[]> {
  const replies: RedisReply[] = [];
  for (let at = 0; at < commands.length; at += COMMANDS) {
    replies.push(...(await pipelineInHalves(redis, commands.slice(at, at + COMMANDS))));
  }
  return replies;
}

/** The value of one reply; see `runCommands`. */
export function valueOf({ tally }: CheckContext, command: RedisCommand | undefined, reply: RedisReply): RedisValue {
  if ('value' in reply) return reply.value;
  const [name = '', key = ''] = command ?? [];
  if (reply.error.startsWith('WRONGTYPE')) {
    tally.add('wrong-type', String(key));
    return null;
  }
  const word = reply.error.split(' ', 1)[0] ?? '';
  throw new AppError('redis-command', `Redis refused ${name}: ${word}`, {
    hint: 'Check that the token may read the whole database, then repeat the check.',
  });
}

export function textOf(value: RedisValue | undefined): string | null {
  return Buffer.isBuffer(value) ? value.toString('utf8') : null;
}

/** The texts of an array; null for missing values. */
export function textsOf(value: RedisValue | undefined): (string | null)[] {
  return Array.isArray(value) ? value.map(textOf) : [];
}

/** Some fields of a hash; null for a missing one. */
export type FieldValues<F extends string> = Readonly<Record<F, string | null>>;

/** The reply of an HMGET by field name; null if the hash has none of the fields. */
export function parseFields<F extends string>(
  fields: readonly F[],
  value: RedisValue | undefined,
): FieldValues<F> | null {
  const texts = textsOf(value);
  if (texts.every((text) => text === null)) return null;
  return Object.fromEntries(fields.map((field, index) => [field, texts[index] ?? null])) as FieldValues<F>;
}

/** Items in groups of `size`. */
export function* groups<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let group: T[] = [];
  for (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

const ELEMENTS = 1000;
/** Collections read concurrently; a page of each is in memory at a time. */
const AT_ONCE = 50;

/** A page of the collection whose key is at `index`. */
export interface Page<T> {
  readonly index: number;
  readonly elements: readonly T[];
}

interface Kind<T> {
  command(key: string, position: string, count: number): RedisCommand;
  /** The elements, and the position of the next page; null after the last. */
  parse(value: RedisValue, position: string, count: number): { elements: T[]; next: string | null };
}

const SET: Kind<string> = {
  command: (key, position, count) => ['SSCAN', key, position, 'COUNT', count],
  parse(value) {
    const [cursor, members] = Array.isArray(value) ? value : [];
    const next = textOf(cursor);
    return { elements: textsOf(members).filter((member) => member !== null), next: next === '0' ? null : next };
  },
};

const SORTED_SET: Kind<readonly [id: string, score: string]> = {
  command(key, position, count) {
    const from = Number(position);
    return ['ZRANGE', key, from, from + count - 1, 'WITHSCORES'];
  },
  parse(value, position, count) {
    const flat = textsOf(value);
    const elements: [string, string][] = [];
    for (let at = 0; at + 1 < flat.length; at += 2) elements.push([flat[at] ?? '', flat[at + 1] ?? '']);
    return { elements, next: elements.length < count ? null : String(Number(position) + count) };
  },
};

/** The members of sets; SSCAN may return a member twice. */
export function setPages(context: CheckContext, keys: readonly string[]): AsyncGenerator<Page<string>> {
  return pages(context, keys, SET);
}

/** The ids of sorted sets with their scores, as Redis prints them. */
export function sortedSetPages(
  context: CheckContext,
  keys: readonly string[],
): AsyncGenerator<Page<readonly [string, string]>> {
  return pages(context, keys, SORTED_SET);
}

interface PageRequest {
  readonly key: string;
  readonly index: number;
  readonly position: string;
  /** Elements to request; reduced when a page exceeds the size limit. */
  readonly count: number;
}

async function* pages<T>(context: CheckContext, keys: readonly string[], kind: Kind<T>): AsyncGenerator<Page<T>> {
  let open = keys.map((key, index): PageRequest => ({ key, index, position: '0', count: ELEMENTS }));
  while (open.length > 0) {
    const rest = open.slice(AT_ONCE);
    const unfinished: PageRequest[] = [];
    for (const { request, value } of await readAll(context, open.slice(0, AT_ONCE), kind)) {
      const { elements, next } = kind.parse(value, request.position, request.count);
      if (elements.length > 0) yield { index: request.index, elements };
      if (next !== null) unfinished.push({ ...request, position: next });
    }
    open = [...unfinished, ...rest];
  }
}

interface PageReply {
  readonly request: PageRequest;
  readonly value: RedisValue;
}

/** Reads a page of each collection; a smaller one if a page exceeds the size limit. */
function readAll<T>(context: CheckContext, turn: readonly PageRequest[], kind: Kind<T>): Promise<PageReply[]> {
  const run = async (some: readonly PageRequest[]): Promise<PageReply[]> => {
    const commands = some.map(({ key, position, count }) => kind.command(key, position, count));
    const replies = await context.redis.pipeline(commands);
    if (replies.some(saysTooLarge)) throw tooLarge();
    return some.map((request, at) => ({
      request,
      value: valueOf(context, commands[at], replies[at] ?? { error: 'no reply' }),
    }));
  };
  const smaller = async (request: PageRequest, error: AppError): Promise<PageReply> => {
    if (request.count === 1) throw error;
    const [read] = await inHalves([{ ...request, count: Math.floor(request.count / 2) }], run, smaller);
    return read as PageReply;
  };
  return inHalves(turn, run, smaller);
}
