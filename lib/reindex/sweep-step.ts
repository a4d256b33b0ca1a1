import type { RedisPort } from '../ports/redis.js';
import type { Leg, StepOutcome } from '../runs/model.js';
import { keepLocks } from '../soulcaster/locks.js';
import { ask } from './ask.js';
import { enter, inputOf, later, stateOf, withProject } from './checkpoint.js';
import { throwIfAborted, type ReindexPorts } from './context.js';
import { lockedProjects } from './embed-task.js';
import { itemKey } from './keys.js';
import { idsOf, pages, removeIds } from './namespace.js';

/** Removes vectors whose item is gone, one namespace after the other. Mode `missing` removes nothing. */
export async function sweepStep(ports: ReindexPorts, leg: Leg): Promise<StepOutcome> {
  let state = stateOf(leg.run);
  const due = inputOf(leg.run).mode === 'missing' ? [] : state.projects.filter(({ sweptAll }) => !sweptAll);
  await keepLocks(ports.redis, lockedProjects(state), leg.run.id);
  for (const entry of due) {
    if (leg.timeIsUp()) return later(state, state.seen);
    throwIfAborted(leg.signal);
    const { project } = entry;
    const ids = [...(await idsOf(ports.vectors, project))];
    const strays = await goneOf(ports.redis, project, ids);
    await removeIds(ports.vectors, project, strays);
    const seen = state.seen + ids.length + 1;
    state = withProject({ ...state, seen }, { ...entry, swept: entry.swept + strays.length, sweptAll: true });
    await leg.save(state, { done: seen, total: null, unit: 'items', bytes: 0 });
  }
  return enter('audit', state, 0, ports.clock.now());
}

/** Those of the ids whose key is not in the database at this moment. */
async function goneOf(redis: RedisPort, project: string, ids: readonly string[]): Promise<string[]> {
  const gone: string[] = [];
  for (const page of pages(ids)) {
    const keys = page.map((id) => itemKey(project, id));
    // As a rule none are gone, which one command says of all of them.
    const [there] = await ask(redis, [['EXISTS', ...keys]]);
    if (there === keys.length) continue;
    const each = await ask(
      redis,
      keys.map((key) => ['EXISTS', key]),
    );
    gone.push(...page.filter((_, at) => each[at] === 0));
  }
  return gone;
}
