import type { AppError } from '../../errors.js';
import type { RedisCommand, RedisValue } from '../../ports/redis.js';
import { inHalves, saysTooLarge, tooLarge } from '../../redis/halving.js';
import { textOf, textsOf, valueOf, type CheckContext } from './context.js';

const ELEMENTS = 1000;
/** Collections that are read beside each other; a page of each is in memory at a time. */
const AT_ONCE = 50;

/** A page of the collection that stands at `index` of those asked for. */
export interface Page<T> {
  readonly index: number;
  readonly elements: readonly T[];
}

interface Kind<T> {
  command(key: string, position: string, count: number): RedisCommand;
  /** The elements, and where the next page begins; null after the last. */
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

/** The members of sets; a member may come twice, as SSCAN has it. */
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

interface Open {
  readonly key: string;
  readonly index: number;
  readonly position: string;
  /** Elements that are asked for: fewer where a page is over the size limit. */
  readonly count: number;
}

async function* pages<T>(context: CheckContext, keys: readonly string[], kind: Kind<T>): AsyncGenerator<Page<T>> {
  let open = keys.map((key, index): Open => ({ key, index, position: '0', count: ELEMENTS }));
  while (open.length > 0) {
    const rest = open.slice(AT_ONCE);
    const unfinished: Open[] = [];
    for (const { asked, value } of await readAll(context, open.slice(0, AT_ONCE), kind)) {
      const { elements, next } = kind.parse(value, asked.position, asked.count);
      if (elements.length > 0) yield { index: asked.index, elements };
      if (next !== null) unfinished.push({ ...asked, position: next });
    }
    open = [...unfinished, ...rest];
  }
}

interface Read {
  readonly asked: Open;
  readonly value: RedisValue;
}

/** A page of each collection; of one whose page is over the size limit a smaller one. */
function readAll<T>(context: CheckContext, turn: readonly Open[], kind: Kind<T>): Promise<Read[]> {
  const run = async (some: readonly Open[]): Promise<Read[]> => {
    const commands = some.map(({ key, position, count }) => kind.command(key, position, count));
    const replies = await context.redis.pipeline(commands);
    if (replies.some(saysTooLarge)) throw tooLarge();
    return some.map((asked, at) => ({
      asked,
      value: valueOf(context, commands[at], replies[at] ?? { error: 'no reply' }),
    }));
  };
  const smaller = async (asked: Open, error: AppError): Promise<Read> => {
    if (asked.count === 1) throw error;
    const [read] = await inHalves([{ ...asked, count: Math.floor(asked.count / 2) }], run, smaller);
    return read as Read;
  };
  return inHalves(turn, run, smaller);
}
