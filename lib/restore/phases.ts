import { NEW_WALK } from '../redis/scan.js';
import type { StepOutcome } from '../runs/model.js';
import type { RestoreCheckpoint } from './checkpoint.js';

/** Continues with another phase and records the time. `tasks` is 0 for a serial phase. */
export function enterPhase(phase: string, state: RestoreCheckpoint, tasks: number, now: number): StepOutcome {
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
