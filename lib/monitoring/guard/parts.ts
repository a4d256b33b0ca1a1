import type { CheckGroup } from '../../health/doctor.js';
import type { Clock } from '../../ports/clock.js';
import type { Schedule, Schedules } from '../../ports/queue.js';
import type { Budget } from '../../runs/attempt.js';
import type { Engine, Started } from '../../runs/engine.js';
import type { LeaseTimes } from '../../runs/lease.js';
import type { RunRecord } from '../../runs/model.js';
import type { MarkStores } from '../../snapshot/unfinished-marks.js';
import type { EvaluationContext } from '../evaluate.js';
import type { Caller, Step } from '../state.js';

/** Names, counts and ids in a step's report. */
export type Summary = Step['summary'];

/** Everything that a turn of the guard needs. */
export interface GuardParts extends EvaluationContext, Pick<MarkStores, 'marksElsewhere'> {
  readonly caller: Caller;
  readonly engine: Engine;
  /** Works on a run within this process. */
  readonly work: (id: string, budget: Budget) => Promise<RunRecord>;
  /** Whether runs continue over a queue. */
  readonly queued: boolean;
  readonly times: LeaseTimes;
  readonly startDrill: () => Promise<Started>;
  readonly checks: readonly CheckGroup[];
  /** The queue's schedule of the guard; null without a queue. `open` may throw `config`; `answers`: see `ensureSchedule`. */
  readonly schedule: {
    readonly open: () => Schedules;
    readonly wanted: Schedule;
    readonly answers: () => Promise<boolean>;
  } | null;
  /** Prunes and replicates within the budget. An error that it throws is a failure of the guard. */
  readonly upkeep: (budget: Budget) => Promise<Summary>;
}

/** A share of the time left in a budget. */
export function shareOf(budget: Budget, clock: Clock, share: number): Budget {
  const now = clock.now();
  return { ...budget, deadline: now + Math.max(0, budget.deadline - now) * share };
}
