import type { Leg, StepOutcome } from '../runs/model.js';
import { keepLocks } from '../soulcaster/locks.js';
import { enter, inputOf, later, stateOf, withProject } from './checkpoint.js';
import { throwIfAborted, type ReindexPorts } from './context.js';
import { lockedProjects } from './embed-task.js';
import { goneOf } from './mend.js';
import { idsOf, removeIds } from './namespace.js';

/** Removes vectors whose item is gone, one namespace after the other. Mode `missing` removes nothing. */
export async function sweepStep(ports: ReindexPorts, leg: Leg): Promise<StepOutcome> {
  let state = stateOf(leg.run);
  const due = inputOf(leg.run).mode === 'missing' ? [] : state.projects.filter(({ sweptAll }) => !sweptAll);
  await keepLocks(ports.redis, lockedProjects(state), leg.run.id);
  let worked = false;
  for (const entry of due) {
    if (worked && leg.timeIsUp()) return later(state, state.seen);
    throwIfAborted(leg.signal);
    const { project } = entry;
    const ids = [...(await idsOf(ports.vectors, project))];
    const strays = await goneOf(ports.redis, project, ids);
    await removeIds(ports.vectors, project, strays);
    const seen = state.seen + ids.length + 1;
    state = withProject({ ...state, seen }, { ...entry, swept: entry.swept + strays.length, sweptAll: true });
    await leg.save(state, { done: seen, total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  return enter('audit', state, 0, ports.clock.now());
}
