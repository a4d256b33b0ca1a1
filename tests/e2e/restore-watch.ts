import { expect } from '@jest/globals';
import { call, openDatabase, type Command } from '../support/redis-calls.js';

/** A key all of whose elements hold the same mark, so that a mixture of two values shows. */
export interface Marked {
  readonly key: string;
  readonly type: 'string' | 'hash' | 'list' | 'set' | 'zset' | 'stream';
  readonly elements: number;
  readonly mark: string;
  /** Milliseconds since the epoch; -1 for a key that stays. */
  readonly expiresAt: number;
}

const ABSENT = 'none 0  -2';

/** Type, number of elements, marks and expiry, all of one moment. */
const LOOK = `
  local kind = redis.call('TYPE', KEYS[1]).ok
  local items = {}
  if kind == 'string' then for item in string.gmatch(redis.call('GET', KEYS[1]), '[^;]+') do items[#items + 1] = item end
  elseif kind == 'hash' then items = redis.call('HVALS', KEYS[1])
  elseif kind == 'list' then items = redis.call('LRANGE', KEYS[1], 0, -1)
  elseif kind == 'set' then items = redis.call('SMEMBERS', KEYS[1])
  elseif kind == 'zset' then items = redis.call('ZRANGE', KEYS[1], 0, -1)
  elseif kind == 'stream' then
    for at, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do items[at] = entry[2][2] end
  end
  local seen, marks = {}, {}
  for _, item in ipairs(items) do
    local mark = string.match(item, '^[^:]*')
    if not seen[mark] then seen[mark] = true; marks[#marks + 1] = mark end
  end
  table.sort(marks)
  return table.concat({kind, #items, table.concat(marks, '+'), redis.call('PEXPIRETIME', KEYS[1])}, ' ')`;

/** How a key looks when it is whole. */
export function look(marked: Marked | null): string {
  if (marked === null) return ABSENT;
  const { type, elements, mark, expiresAt } = marked;
  return `${type} ${elements} ${mark} ${expiresAt}`;
}

const FILLING = 'x'.repeat(180);

/** The commands that make the key, whatever it is before. */
export function commandsOf({ key, type, elements, mark, expiresAt }: Marked): Command[] {
  const each = <T>(element: (at: number) => T[]): T[] =>
    Array.from({ length: elements }, (_, at) => element(at)).flat();
  const value = `${mark}:${FILLING}`;
  const writes: Record<Marked['type'], () => Command[]> = {
    string: () => [['SET', key, `${value};`.repeat(elements)]],
    hash: () => [['HSET', key, ...each((at) => [`field ${at}`, value])]],
    list: () => [['RPUSH', key, ...each(() => [value])]],
    set: () => [['SADD', key, ...each((at) => [`${value}:${at}`])]],
    zset: () => [['ZADD', key, ...each((at) => [String(at), `${value}:${at}`])]],
    stream: () => each((at): Command[] => [['XADD', key, `${at + 1}-0`, 'field', value]]),
  };
  return [
    ['DEL', key],
    ...writes[type](),
    ...(expiresAt < 0 ? [] : [['PEXPIREAT', key, String(expiresAt)] as Command]),
  ];
}

/** What each key looked like while the work was done, in order, each look once until the next one. */
export type Looks = Readonly<Record<string, readonly string[]>>;

/**
 * Looks at each of the keys whenever the server notifies of a command that changed it, on separate connections, until the
 * work is done.
 */
export async function watchKeys<T>(
  redisUrl: string,
  keys: readonly string[],
  work: () => Promise<T>,
): Promise<{ readonly done: T; readonly looks: Looks }> {
  const [redis, notices] = [openDatabase(redisUrl), openDatabase(redisUrl)];
  const looks: Record<string, string[]> = Object.fromEntries(keys.map((key) => [key, []]));
  const failures: unknown[] = [];
  let looking = Promise.resolve();
  const lookAt = async (key: string): Promise<void> => {
    const seen = String(await call(redis, ['EVAL', LOOK, '1', key]));
    if (looks[key]?.at(-1) !== seen) looks[key]?.push(seen);
  };
  const lookAtAll = (): Promise<unknown> => Promise.all(keys.map(lookAt));
  try {
    await redis.config('SET', 'notify-keyspace-events', 'KA');
    notices.on('message', (channel: string) => {
      const sent = lookAt(channel.slice(CHANNEL.length)).catch((error: unknown) => void failures.push(error));
      looking = looking.then(() => sent);
    });
    await notices.subscribe(...keys.map((key) => CHANNEL + key));
    await lookAtAll();
    const done = await work();
    // What was notified before this command's reply has arrived by then.
    await notices.ping();
    await looking;
    await lookAtAll();
    expect(failures).toEqual([]);
    return { done, looks };
  } finally {
    notices.disconnect();
    redis.disconnect();
  }
}

/** Where a server tells what happens to a key. */
const CHANNEL = '__keyspace@0__:';
