import type { Ports } from '../../ports/index.js';
import type { Engine, Started } from '../../runs/engine.js';
import type { LeaseTimes } from '../../runs/lease.js';
import type { Budget } from '../../runs/leg.js';
import type { RunRecord } from '../../runs/model.js';
import type { CheckGroup } from '../doctor.js';
import type { Drills } from '../drill-view.js';
import type { Step } from '../state.js';

/** Facts of a step for its report: names, counts, ids. */
export type Summary = Step['summary'];

export interface GuardPorts extends Pick<Ports, 'alerter' | 'clock' | 'heartbeat' | 'log' | 'signer' | 'store'> {
  /** The source of the database that is protected; null where none is configured. */
  readonly own: string | null;
}

/** What alerts and objectives are judged by. */
export interface Judging {
  readonly ports: GuardPorts;
  readonly drills: Drills;
  /** Whether there is a database to drill in. */
  readonly hasScratch: boolean;
  /** Types of keys that the operator does without: BACKUP_SKIP_TYPES. */
  readonly skipTypes: readonly string[];
}

/** Everything that the guard looks after. */
export interface GuardParts extends Judging {
  readonly engine: Engine;
  /** Works on a run within this process. */
  readonly work: (id: string, budget: Budget) => Promise<RunRecord>;
  /** Whether runs go on over a queue. */
  readonly queued: boolean;
  readonly times: LeaseTimes;
  readonly startDrill: () => Promise<Started>;
  readonly checks: readonly CheckGroup[];
  /** Prunes and replicates, in the time that is left. What it throws is the guard's failure. */
  readonly upkeep: (budget: Budget) => Promise<Summary>;
}
