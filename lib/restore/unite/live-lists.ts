import type { RedisCommand, RedisPort, RedisReply } from '../../ports/redis.js';
import { inHalves, saysTooLarge, tooLarge } from '../../redis/halving.js';
import { beginWalk, NEW_WALK, walkAgain } from '../../redis/whole-walk.js';
import { hashSet } from '../../snapshot/hash-set.js';
import { memberListOf } from '../../soulcaster/member-lists.js';
import type { LiveKey } from '../walk.js';
import { runCommands, memberPages, memberTooLarge, PAGE, valueOf } from './members.js';

/** Lists that are read beside each other. */
const AT_ONCE = 50;

interface Open {
  readonly live: LiveKey;
  readonly cursor: string;
  /** What SCAN is asked for: less where a page is over the size limit. */
  readonly count: number;
}

interface Names {
  readonly live: LiveKey;
  readonly names: readonly Buffer[];
}

/**
 * The members of live lists, page by page; a member may come twice. What is not of its family's type, or has gone away
 * meanwhile, has none. Lists of more than a page are read again where the server was started under them. Throws
 * `redis-unavailable` (transient) when that happens time after time.
 */
export async function* liveMembers(redis: RedisPort, keys: readonly LiveKey[]): AsyncGenerator<Names> {
  const long: LiveKey[] = [];
  yield* membersFrom(redis, keys, (live) => void long.push(live));
  if (long.length === 0) return;
  for (let walked = await beginWalk(redis, NEW_WALK); ;) {
    const seen = new Map(long.map((live) => [live, hashSet()]));
    for await (const found of membersFrom(redis, long)) {
      for (const name of found.names) seen.get(found.live)?.add(name);
      yield found;
    }
    const sizes = await runCommands(redis, long.map(sizeOf));
    const isWhole = long.every((live, at) => {
      const reply = sizes[at];
      return reply === undefined || 'error' in reply || Number(reply.value) <= (seen.get(live)?.size ?? 0);
    });
    const again = await walkAgain(redis, walked, isWhole ? Infinity : 0);
    if (again === null) return;
    walked = again;
  }
}

function sizeOf({ key, known }: LiveKey): RedisCommand {
  return [memberListOf(known)?.type === 'zset' ? 'ZCARD' : 'SCARD', key];
}

/** With `onLong` those alone that are one page; it is called with the others. */
async function* membersFrom(
  redis: RedisPort,
  keys: readonly LiveKey[],
  onLong?: (live: LiveKey) => void,
): AsyncGenerator<Names> {
  let open: Open[] = keys.map((live) => ({ live, cursor: '0', count: PAGE }));
  while (open.length > 0) {
    const turn = open.slice(0, AT_ONCE);
    const left: Open[] = [];
    for (const {
      open: { live, count },
      reply,
    } of await scanAll(redis, turn)) {
      if ('error' in reply && reply.error.startsWith('WRONGTYPE')) continue;
      const [cursor, flat] = valueOf(reply) as [Buffer, Buffer[]];
      const step = memberListOf(live.known)?.type === 'zset' ? 2 : 1;
      const names = flat.filter((_, index) => index % step === 0);
      const isLong = cursor.toString() !== '0';
      if (isLong && onLong !== undefined) {
        onLong(live);
        continue;
      }
      if (isLong) left.push({ live, cursor: cursor.toString(), count });
      if (names.length > 0) yield { live, names };
    }
    open = [...left, ...open.slice(AT_ONCE)];
  }
}

/** Which of some names are members of live lists; `namesOf` says which are asked for. */
export async function* liveAmong(
  redis: RedisPort,
  keys: readonly LiveKey[],
  namesOf: (live: LiveKey) => readonly Buffer[],
): AsyncGenerator<{ readonly live: LiveKey; readonly names: readonly Buffer[] }> {
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const turn = keys
      .slice(at, at + AT_ONCE)
      .flatMap((live) => [...memberPages(namesOf(live), (name) => name)].map((names) => ({ live, names })));
    const commands = turn.map(({ live, names }): RedisCommand => {
      return [memberListOf(live.known)?.type === 'zset' ? 'ZMSCORE' : 'SMISMEMBER', live.key, ...names];
    });
    const replies = await runCommands(redis, commands);
    for (const [n, { live, names }] of turn.entries()) {
      const reply = replies[n];
      if (reply !== undefined && 'error' in reply && reply.error.startsWith('WRONGTYPE')) continue;
      const found = valueOf(reply) as readonly unknown[];
      const present = names.filter((_, index) => found[index] !== null && found[index] !== 0);
      if (present.length > 0) yield { live, names: present };
    }
  }
}

interface Scanned {
  readonly open: Open;
  readonly reply: RedisReply;
}

/** A page of each list; of one whose page is over the size limit a smaller one. */
function scanAll(redis: RedisPort, turn: readonly Open[]): Promise<Scanned[]> {
  const run = async (some: readonly Open[]): Promise<Scanned[]> => {
    const replies = await redis.pipeline(some.map(scan));
    if (replies.some(saysTooLarge)) throw tooLarge();
    return some.map((open, at) => ({ open, reply: replies[at] ?? { error: 'no reply' } }));
  };
  const smaller = async (open: Open): Promise<Scanned> => {
    if (open.count === 1) throw memberTooLarge(open.live.key);
    const [scanned] = await inHalves([{ ...open, count: Math.floor(open.count / 2) }], run, smaller);
    return scanned as Scanned;
  };
  return inHalves(turn, run, smaller);
}

function scan({ live, cursor, count }: Open): RedisCommand {
  return [memberListOf(live.known)?.type === 'zset' ? 'ZSCAN' : 'SSCAN', live.key, cursor, 'COUNT', count];
}
