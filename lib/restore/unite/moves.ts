import type { RedisCommand, RedisPort, RedisReply } from '../../ports/redis.js';
import { buildKey } from '../../soulcaster/keys.js';
import type { Attempt, StepOutcome } from '../../runs/model.js';
import { addSpent, openContext, spentSince, type RestoreContext, type RestorePorts } from '../context.js';
import { enter } from '../phases.js';
import { itemsIn, listMode } from '../selected.js';
import { goOnLater, walk, type LiveKey } from '../walk.js';
import { runCommands, memberPages, valueOf, memberTooLarge, PAGE } from './members.js';
import { placedWriter, readPlaced } from './placed.js';
import { livePlaces, sourcePlaces } from './tasks.js';
import { listOf } from './unite.js';
import { send } from './write.js';
import { inHalves, saysTooLarge, tooLarge } from '../../redis/halving.js';
import { beginWalk, NEW_WALK, walkAgain } from '../../redis/whole-walk.js';
import { hashSet } from '../../snapshot/hash-set.js';
import { memberListOf } from '../../soulcaster/member-lists.js';

/**
 * Notes, before anything is planned, which members the live database has in lists of which a member is in one only: mode
 * `missing` leaves them there. Costs a command for each such list.
 */
export async function placeStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const context = await openContext(ports, attempt.run, attempt.signal);
  const { input, redis, state } = context;
  const goneClusters = state.cursor === null ? await clustersGone(context) : state.goneClusters;
  const done = (next: typeof state): StepOutcome =>
    enter('plan', { ...next, goneClusters, walked: 0 }, state.parts.length, ports.clock.now());
  if (input.mode !== 'missing' || state.targetEmpty) return done(state);
  const before = redis.usage();
  const places = placedWriter();
  const walked = await walk(redis, attempt, state, async (keys) => {
    for await (const { live, names } of membersIn(context, keys)) {
      for (const name of names) places.add(live.known, live.key, name);
    }
  });
  // With its fencing number: an attempt that died here may have come less far than the one that began again at the same key.
  await places.save(
    ports.store,
    `${livePlaces(attempt.run.id)}${String(state.walked).padStart(12, '0')}-${attempt.fence}`,
  );
  const next = { ...state, goneClusters, spent: addSpent(state.spent, spentSince(redis, before)) };
  return walked.cursor === null ? done(next) : goOnLater(next, walked);
}

/** Clusters that items were in and that are gone. What an undo brings back is as it was, whatever that was. */
async function clustersGone({ input, redis, state }: RestoreContext): Promise<typeof state.goneClusters> {
  if (!('items' in input.scope) || input.undoes) return [];
  const clusters = state.facts.flatMap(({ project, clusters: ids }) => ids.map((cluster) => ({ project, cluster })));
  if (clusters.length === 0) return [];
  const commands = clusters.map((parts): RedisCommand => ['EXISTS', buildKey('cluster', parts)]);
  const replies = await runCommands(redis, commands);
  return clusters.filter((_, at) => valueOf(replies[at]) === 0);
}

/** Members of one live list that the snapshot has in another list of the group, and not in this one. */
interface Misplaced {
  readonly live: LiveKey;
  readonly names: readonly Buffer[];
}

/**
 * Finds what mode `merge` moves: where both sides place a member, the snapshot's place counts. Items that are replaced stand
 * where the snapshot has them and nowhere else. Null in other modes.
 */
export async function misplacedFinder(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
): Promise<((keys: readonly LiveKey[]) => AsyncGenerator<Misplaced>) | null> {
  if (listMode(context.input) !== 'merge' || context.state.targetEmpty) return null;
  const placed = await readPlaced(ports.store, sourcePlaces(run));
  const isExact = context.input.mode === 'replace';
  return async function* (keys) {
    for await (const { live, names } of membersIn(context, keys)) {
      const elsewhere = names.filter(
        (name) => (isExact || placed.anywhere(live.known, name)) && !placed.here(live.known, live.key, name),
      );
      if (elsewhere.length > 0) yield { live, names: elsewhere };
    }
  };
}

/** Takes misplaced members out of the lists where they no longer belong; they have been added where they do. */
export async function moveOut({ redis }: RestoreContext, misplaced: AsyncIterable<Misplaced>): Promise<void> {
  for await (const { live, names } of misplaced) {
    const remove = listOf(live.key, 'merge')?.list.type === 'zset' ? 'ZREM' : 'SREM';
    for (const some of memberPages(names, (name) => name)) {
      await send(redis, [[remove, live.key, ...some] satisfies RedisCommand]);
    }
  }
}

/** The members of live lists of which a member is in one only; of a scope of items, they alone, in every list. */
async function* membersIn(
  { belongs, input, redis }: RestoreContext,
  keys: readonly LiveKey[],
): AsyncGenerator<{ readonly live: LiveKey; readonly names: readonly Buffer[] }> {
  const lists = keys.filter(({ key }) => {
    const found = listOf(key, listMode(input));
    return found !== null && (found.list.group !== null || input.mode === 'replace');
  });
  const all = lists.filter(({ key, known }) => belongs(key, known) === 'owned');
  yield* liveMembers(redis, all);
  const some = lists.filter(({ key, known }) => belongs(key, known) === 'partial');
  yield* liveAmong(redis, some, ({ known }) => [...itemsIn(input.scope, known.project)].map((id) => Buffer.from(id)));
}

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
async function* liveMembers(redis: RedisPort, keys: readonly LiveKey[]): AsyncGenerator<Names> {
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
async function* liveAmong(
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
