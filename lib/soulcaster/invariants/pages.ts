import type { RedisCommand, RedisValue } from '../../ports/redis.js';
import { ask, textOf, textsOf, type Look } from './look.js';

const ELEMENTS = 1000;
/** Collections that are read beside each other; a page of each is in memory at a time. */
const AT_ONCE = 50;

/** A page of the collection that stands at `index` of those asked for. */
export interface Page<T> {
  readonly index: number;
  readonly elements: readonly T[];
}

interface Kind<T> {
  command(key: string, position: string): RedisCommand;
  /** The elements, and where the next page begins; null after the last. */
  parse(value: RedisValue, position: string): { elements: T[]; next: string | null };
}

const SET: Kind<string> = {
  command: (key, position) => ['SSCAN', key, position, 'COUNT', ELEMENTS],
  parse(value) {
    const [cursor, members] = Array.isArray(value) ? value : [];
    const next = textOf(cursor);
    return { elements: textsOf(members).filter((member) => member !== null), next: next === '0' ? null : next };
  },
};

const SORTED_SET: Kind<readonly [id: string, score: string]> = {
  command(key, position) {
    const from = Number(position);
    return ['ZRANGE', key, from, from + ELEMENTS - 1, 'WITHSCORES'];
  },
  parse(value, position) {
    const flat = textsOf(value);
    const elements: [string, string][] = [];
    for (let at = 0; at + 1 < flat.length; at += 2) elements.push([flat[at] ?? '', flat[at + 1] ?? '']);
    return { elements, next: elements.length < ELEMENTS ? null : String(Number(position) + ELEMENTS) };
  },
};

/** The members of sets; a member may come twice, as SSCAN has it. */
export function setPages(look: Look, keys: readonly string[]): AsyncGenerator<Page<string>> {
  return pages(look, keys, SET);
}

/** The ids of sorted sets with their scores, as Redis prints them. */
export function sortedSetPages(look: Look, keys: readonly string[]): AsyncGenerator<Page<readonly [string, string]>> {
  return pages(look, keys, SORTED_SET);
}

async function* pages<T>(look: Look, keys: readonly string[], kind: Kind<T>): AsyncGenerator<Page<T>> {
  let open = keys.map((key, index) => ({ key, index, position: '0' }));
  while (open.length > 0) {
    const turn = open.slice(0, AT_ONCE);
    const rest = open.slice(AT_ONCE);
    const replies = await ask(
      look,
      turn.map(({ key, position }) => kind.command(key, position)),
    );
    const unfinished: typeof open = [];
    for (const [at, collection] of turn.entries()) {
      const { elements, next } = kind.parse(replies[at] ?? null, collection.position);
      if (elements.length > 0) yield { index: collection.index, elements };
      if (next !== null) unfinished.push({ ...collection, position: next });
    }
    open = [...unfinished, ...rest];
  }
}
