import type { RedisCommand, RedisPort, RedisReply } from '../../ports/redis.js';
import { buildKey } from '../../soulcaster/keys.js';
import type { Attempt, StepOutcome } from '../../runs/model.js';
import { inHalves, saysTooLarge, tooLarge } from '../../redis/halving.js';
import { beginWalk, NEW_WALK, walkAgain } from '../../redis/scan.js';
import { hashSet } from '../../redis/key-sets.js';
import { memberListOf } from '../../soulcaster/member-lists.js';
import { addSpent, openContext, spentSince, type RestoreContext, type RestorePorts } from '../context.js';
import { enterPhase } from '../checkpoint.js';
import { itemsIn, listMode } from '../scope.js';
import { continueLater, walk, type LiveKey } from '../live.js';
import { runCommands, memberPages, valueOf, memberTooLarge, PAGE } from './members.js';
import { placementWriter, readPlacements } from './placed.js';
import { livePlacements, sourcePlacements } from './tasks.js';
import { listOf } from './unite.js';
import { send } from './write.js';

/**
 * Records, before the plan, the members of those live lists whose members are in one list of the group only: mode
 * `missing` leaves them there. Costs a command for each such list.
 */
export async function recordPlacementsStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const context = await openContext(ports, attempt.run, attempt.signal);
  const { input, redis, state } = context;
  const goneClusters = state.cursor === null ? await findGoneClusters(context) : state.goneClusters;
  const done = (next: typeof state): StepOutcome =>
    enterPhase('plan', { ...next, goneClusters, walked: 0 }, state.parts.length, ports.clock.now());
  if (input.mode !== 'missing' || state.targetEmpty) return done(state);
  const before = redis.usage();
  const places = placementWriter();
  const walked = await walk(redis, attempt, state, async (keys) => {
    for await (const { live, names } of relevantMembers(context, keys)) {
      for (const name of names) places.add(live.known, live.key, name);
    }
  });
  // The name has the fencing number: an attempt that died here may have recorded less than the one that started again
  // at the same key.
  await places.save(
    ports.store,
    `${livePlacements(attempt.run.id)}${String(state.walked).padStart(12, '0')}-${attempt.fence}`,
  );
  const next = { ...state, goneClusters, spent: addSpent(state.spent, spentSince(redis, before)) };
  return walked.cursor === null ? done(next) : continueLater(next, walked);
}

/** Clusters of restored items that no longer exist. An undo restores the old state, whatever it was. */
async function findGoneClusters({ input, redis, state }: RestoreContext): Promise<typeof state.goneClusters> {
  if (!('items' in input.scope) || input.undoes) return [];
  const clusters = state.facts.flatMap(({ project, clusters: ids }) => ids.map((cluster) => ({ project, cluster })));
  if (clusters.length === 0) return [];
  const commands = clusters.map((parts): RedisCommand => ['EXISTS', buildKey('cluster', parts)]);
  const replies = await runCommands(redis, commands);
  return clusters.filter((_, at) => valueOf(replies[at]) === 0);
}

/** Members of one live list that the snapshot has in another list of the group and not in this one. */
interface Misplaced {
  readonly live: LiveKey;
  readonly names: readonly Buffer[];
}

/**
 * Finds the members that mode `merge` moves: if both sides have a member, the snapshot's list counts. Replaced items
 * are only in the lists where the snapshot has them. Null in other modes.
 */
export async function misplacedFinder(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
): Promise<((keys: readonly LiveKey[]) => AsyncGenerator<Misplaced>) | null> {
  if (listMode(context.input) !== 'merge' || context.state.targetEmpty) return null;
  const placed = await readPlacements(ports.store, sourcePlacements(run));
  const isExact = context.input.mode === 'replace';
  return async function* (keys) {
    for await (const { live, names } of relevantMembers(context, keys)) {
      const elsewhere = names.filter(
        (name) => (isExact || placed.isInGroup(live.known, name)) && !placed.isInList(live.known, live.key, name),
      );
      if (elsewhere.length > 0) yield { live, names: elsewhere };
    }
  };
}

/** Removes misplaced members from their lists; they were added to the right ones before. */
export async function removeMisplaced({ redis }: RestoreContext, misplaced: AsyncIterable<Misplaced>): Promise<void> {
  for await (const { live, names } of misplaced) {
    const remove = listOf(live.key, 'merge')?.list.type === 'zset' ? 'ZREM' : 'SREM';
    for (const some of memberPages(names)) {
      await send(redis, [[remove, live.key, ...some] satisfies RedisCommand]);
    }
  }
}

/** The members of live lists whose members are in one list of the group only; for a scope of items, its items in every list. */
async function* relevantMembers(
  { belongs, input, redis }: RestoreContext,
  keys: readonly LiveKey[],
): AsyncGenerator<Names> {
  const lists = keys.filter(({ key }) => {
    const found = listOf(key, listMode(input));
    return found !== null && (found.list.group !== null || input.mode === 'replace');
  });
  const all = lists.filter(({ key, known }) => belongs(key, known) === 'owned');
  yield* allMembers(redis, all);
  const some = lists.filter(({ key, known }) => belongs(key, known) === 'partial');
  yield* membersAmong(redis, some, ({ known }) =>
    [...itemsIn(input.scope, known.project)].map((id) => Buffer.from(id)),
  );
}

/** Lists that are read in one request. */
const AT_ONCE = 50;

interface Open {
  readonly live: LiveKey;
  readonly cursor: string;
  /** COUNT of the scan: less when a page is over the size limit. */
  readonly count: number;
}

interface Names {
  readonly live: LiveKey;
  readonly names: readonly Buffer[];
}

/**
 * The members of live lists, page by page; a member may be returned twice. A key of another type, or one that was
 * removed meanwhile, has none. Lists of more than a page are read again when the server restarts during the read.
 * Throws `redis-unavailable` (transient) when this happens repeatedly.
 */
async function* allMembers(redis: RedisPort, keys: readonly LiveKey[]): AsyncGenerator<Names> {
  const long: LiveKey[] = [];
  yield* scanMembers(redis, keys, (live) => void long.push(live));
  if (long.length === 0) return;
  for (let walked = await beginWalk(redis, NEW_WALK); ;) {
    const seen = new Map(long.map((live) => [live, hashSet()]));
    for await (const found of scanMembers(redis, long)) {
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

/** Scans lists. With `onLong`, returns only lists of one page and calls it with the others. */
async function* scanMembers(
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

/** Finds which names are members of live lists; `namesOf` returns the names to look up. */
async function* membersAmong(
  redis: RedisPort,
  keys: readonly LiveKey[],
  namesOf: (live: LiveKey) => readonly Buffer[],
): AsyncGenerator<Names> {
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const turn = keys
      .slice(at, at + AT_ONCE)
      .flatMap((live) => [...memberPages(namesOf(live))].map((names) => ({ live, names })));
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

/** Scans a page of each list; a smaller one when the page is over the size limit. */
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
