import type { Leg, StepOutcome } from '../runs/model.js';
import { keepLocks } from '../soulcaster/locks.js';
import { enter, inputOf, later, stateOf, withProject, type ProjectState } from './checkpoint.js';
import { throwIfAborted, type ReindexPorts } from './context.js';
import { lockedProjects } from './embed-task.js';
import { goneOf } from './mend.js';
import { idsOf, removeIds } from './namespace.js';
import { unlessRefused } from './refusal.js';

/** Removes vectors whose item is gone, one namespace after the other. Mode `missing` removes nothing. */
export async function sweepStep(ports: ReindexPorts, leg: Leg): Promise<StepOutcome> {
  let state = stateOf(leg.run);
  const due = inputOf(leg.run).mode === 'missing' ? [] : state.projects.filter(isDue);
  await keepLocks(ports.redis, lockedProjects(state), leg.run.id);
  let worked = false;
  for (const entry of due) {
    if (worked && leg.timeIsUp()) return later(state, state.seen);
    throwIfAborted(leg.signal);
    const { project } = entry;
    const sweeping = await unlessRefused(async () => {
      const ids = [...(await idsOf(ports.vectors, project))];
      const strays = await goneOf(ports.redis, project, ids);
      await removeIds(ports.vectors, project, strays);
      return { ids, strays };
    });
    if ('refused' in sweeping) {
      state = withProject(state, { ...entry, refused: sweeping.refused });
      continue;
    }
    const { ids, strays } = sweeping.done;
    const seen = state.seen + ids.length + 1;
    state = withProject({ ...state, seen }, { ...entry, swept: entry.swept + strays.length, sweptAll: true });
    await leg.save(state, { done: seen, total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  return enter('audit', state, 0, ports.clock.now());
}

function isDue({ refused, sweptAll }: ProjectState): boolean {
  return refused === null && !sweptAll;
}
