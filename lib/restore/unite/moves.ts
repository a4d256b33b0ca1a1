import type { RedisCommand } from '../../ports/redis.js';
import type { Leg, StepOutcome } from '../../runs/model.js';
import { addSpent, openContext, spentSince, type RestoreContext, type RestorePorts } from '../context.js';
import { enter } from '../phases.js';
import { inScope } from '../target-records.js';
import { goOnLater, walk, type LiveKey } from '../walk.js';
import { liveMembers } from './live-lists.js';
import { placedWriter, readPlaced } from './placed.js';
import { livePlaces, sourcePlaces } from './tasks.js';
import { listOf } from './unite.js';
import { send } from './write.js';

/**
 * Notes, before anything is planned, which members the live database has in lists of which a member is in one only: mode
 * `missing` leaves them there. Costs a command for each such list.
 */
export async function placeStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const context = await openContext(ports, leg.run);
  const { input, redis, state } = context;
  const done = (next: typeof state): StepOutcome =>
    enter('plan', { ...next, walked: 0 }, state.parts.length, ports.clock.now());
  if (input.mode !== 'missing' || state.targetEmpty) return done(state);
  const before = redis.usage();
  const places = placedWriter();
  const walked = await walk(redis, leg, state, async (keys) => {
    for await (const { live, names } of liveMembers(redis, groupedLists(context, keys))) {
      for (const name of names) places.add(live.known, live.key, name);
    }
  });
  await places.save(ports.store, `${livePlaces(leg.run.id)}${String(state.walked).padStart(12, '0')}.json`);
  const next = { ...state, spent: addSpent(state.spent, spentSince(redis, before)) };
  return walked.cursor === null ? done(next) : goOnLater(next, walked);
}

/** Members of one live list that the snapshot has in another list of the group, and not in this one. */
interface Misplaced {
  readonly live: LiveKey;
  readonly names: readonly Buffer[];
}

/** Finds what mode `merge` moves: where both sides place a member, the snapshot's place counts. Null in other modes. */
export async function misplacedFinder(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
): Promise<((keys: readonly LiveKey[]) => AsyncGenerator<Misplaced>) | null> {
  if (context.input.mode !== 'merge' || context.state.targetEmpty) return null;
  const placed = await readPlaced(ports.store, sourcePlaces(run));
  return async function* (keys) {
    for await (const { live, names } of liveMembers(context.redis, groupedLists(context, keys))) {
      const elsewhere = names.filter(
        (name) => placed.anywhere(live.known, name) && !placed.here(live.known, live.key, name),
      );
      if (elsewhere.length > 0) yield { live, names: elsewhere };
    }
  };
}

/** Takes misplaced members out of the lists where they no longer belong; they have been added where they do. */
export async function moveOut({ redis }: RestoreContext, misplaced: AsyncIterable<Misplaced>): Promise<void> {
  for await (const { live, names } of misplaced) {
    const remove = listOf(live.key, 'merge')?.list.type === 'zset' ? 'ZREM' : 'SREM';
    await send(redis, [[remove, live.key, ...names] satisfies RedisCommand]);
  }
}

function groupedLists({ input, facts }: RestoreContext, keys: readonly LiveKey[]): LiveKey[] {
  return keys.filter(({ key, known }) => {
    const found = listOf(key, input.mode);
    return found !== null && found.list.group !== null && inScope(input, facts, known);
  });
}
