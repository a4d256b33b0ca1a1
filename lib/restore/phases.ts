import { NEW_WALK } from '../redis/whole-walk.js';
import type { StepOutcome } from '../runs/model.js';
import type { RestoreCheckpoint } from './checkpoint.js';

/** Continues with another phase, noting when. `tasks` is 0 for a serial one. */
export function enter(phase: string, state: RestoreCheckpoint, tasks: number, now: number): StepOutcome {
  const checkpoint = {
    ...state,
    cursor: null,
    walk: NEW_WALK,
    times: [...state.times, [phase, now] as [string, number]],
  };
  return {
    to: 'phase',
    phase,
    tasks,
    checkpoint,
    progress: { done: 0, total: tasks || null, unit: 'parts', bytes: 0 },
  };
}

/** What a restore does in each phase. */
export const RESTORE_WORDS: Readonly<Record<string, string>> = {
  open: 'opening the snapshot',
  check: 'checking the snapshot',
  survey: 'checking the snapshot',
  abilities: 'checking what the target can do',
  plan: 'comparing with what is there',
  live: 'finding what is newer',
  weigh: 'making the plan',
  conclude: 'finishing',
  condemn: 'finishing',
  'safety-scan': 'saving what is there',
  'safety-recheck': 'going through the names again',
  'safety-check': 'checking what was saved',
  'safety-seal': 'finalizing what was saved',
  fence: 'locking the projects',
  write: 'writing',
  place: 'finding the lists of each member',
  written: 'preparing the lists',
  unite: 'uniting lists',
  remove: 'removing what is newer',
  prove: 'proving every key',
  extras: 'finding what is left over',
  inspect: 'checking the projects',
  report: 'finishing',
};
