import type { RedisCommand, RedisPort } from '../../ports/redis.js';
import { memberListOf } from '../../soulcaster/member-lists.js';
import type { LiveKey } from '../walk.js';
import { PAGE, valueOf } from './members.js';

/** Lists that are read beside each other. */
const AT_ONCE = 50;

interface Open {
  readonly live: LiveKey;
  readonly cursor: string;
}

/**
 * The members of live lists, page by page; a member may come twice. What is not of its family's type, or has gone away
 * meanwhile, has none.
 */
export async function* liveMembers(
  redis: RedisPort,
  keys: readonly LiveKey[],
): AsyncGenerator<{ readonly live: LiveKey; readonly names: readonly Buffer[] }> {
  let open: Open[] = keys.map((live) => ({ live, cursor: '0' }));
  while (open.length > 0) {
    const turn = open.slice(0, AT_ONCE);
    const replies = await redis.pipeline(turn.map(scan));
    const left: Open[] = [];
    for (const [at, { live }] of turn.entries()) {
      const reply = replies[at];
      if (reply !== undefined && 'error' in reply && reply.error.startsWith('WRONGTYPE')) continue;
      const [cursor, flat] = valueOf(reply) as [Buffer, Buffer[]];
      const step = memberListOf(live.known)?.type === 'zset' ? 2 : 1;
      const names = flat.filter((_, index) => index % step === 0);
      if (names.length > 0) yield { live, names };
      if (cursor.toString() !== '0') left.push({ live, cursor: cursor.toString() });
    }
    open = [...left, ...open.slice(AT_ONCE)];
  }
}

function scan({ live, cursor }: Open): RedisCommand {
  return [memberListOf(live.known)?.type === 'zset' ? 'ZSCAN' : 'SSCAN', live.key, cursor, 'COUNT', PAGE];
}
