import type { RedisCommand } from '../../ports/redis.js';
import { buildKey } from '../../soulcaster/keys.js';
import type { Attempt, StepOutcome } from '../../runs/model.js';
import { addSpent, openContext, spentSince, type RestoreContext, type RestorePorts } from '../context.js';
import { enter } from '../phases.js';
import { itemsIn, listMode } from '../selected.js';
import { goOnLater, walk, type LiveKey } from '../walk.js';
import { liveAmong, liveMembers } from './live-lists.js';
import { runCommands, memberPages, valueOf } from './members.js';
import { placedWriter, readPlaced } from './placed.js';
import { livePlaces, sourcePlaces } from './tasks.js';
import { listOf } from './unite.js';
import { send } from './write.js';

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
