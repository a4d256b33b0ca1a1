import type { Ports } from '../../ports/index.js';
import type { Schedule, Schedules } from '../../ports/schedules.js';
import type { Engine, Started } from '../../runs/engine.js';
import type { LeaseTimes } from '../../runs/lease.js';
import type { Budget } from '../../runs/attempt.js';
import type { RunRecord } from '../../runs/model.js';
import type { CheckGroup } from '../../health/doctor.js';
import type { NotifyPorts } from '../alerts/notify.js';
import type { Drills } from '../drill-view.js';
import type { AlertRules } from '../status/answers.js';
import type { Caller, Step } from '../state.js';

/** Facts of a step for its report: names, counts, ids. */
export type Summary = Step['summary'];

export interface GuardPorts extends Pick<Ports, 'clock' | 'heartbeat' | 'signer'>, NotifyPorts {}

/** What alerts, answers and objectives are judged by. */
export interface EvaluationContext extends AlertRules {
  readonly ports: GuardPorts;
  readonly drills: Drills;
}

/** Everything that the guard looks after. */
export interface GuardParts extends EvaluationContext {
  readonly caller: Caller;
  readonly engine: Engine;
  /** Works on a run within this process. */
  readonly work: (id: string, budget: Budget) => Promise<RunRecord>;
  /** Whether runs go on over a queue. */
  readonly queued: boolean;
  readonly times: LeaseTimes;
  readonly startDrill: () => Promise<Started>;
  readonly checks: readonly CheckGroup[];
  /** How the queue is to call the guard; null where there is no queue. `open` may throw `config`. */
  readonly schedule: { readonly open: () => Schedules; readonly wanted: Schedule } | null;
  /** Prunes and replicates, in the time that is left. What it throws is the guard's failure. */
  readonly upkeep: (budget: Budget) => Promise<Summary>;
}
