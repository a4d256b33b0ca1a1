import type { IndexPlace } from '../../ports/vector-index.js';
import type { Recipe } from '../../soulcaster/index-models.js';
import type { Facts } from '../facts.js';
import type { Scheduler } from '../schedulers.js';
import type { GuardState } from '../state.js';
import type { Condition } from './condition.js';

/**
 * What an alert is evaluated from. `facts`: what every evaluation reads. `all-facts`: only the guard reads every object, so
 * other evaluations can open the alert but not resolve it. `step`: one step of the guard.
 */
export type Evidence = 'facts' | 'all-facts' | 'step';

/** Alerts that are found together: codes, conditions and texts. docs/operations.md has a row for each code. */
export interface AlertSource<C extends string = string> {
  readonly codes: Readonly<Record<C, Evidence>>;
  /** Codes whose message names one event; messages of other codes change while the condition lasts, such as an age. */
  readonly oneEvent?: readonly C[];
  /** The conditions that hold; none if they are found elsewhere. */
  readonly find: (facts: Facts, options: EvaluateOptions) => readonly Condition<C>[];
  /** Conditions that these facts leave undecided, so that their alerts are not resolved. */
  readonly undecided?: (facts: Facts) => readonly Pick<Condition<C>, 'code' | 'subject'>[];
}

/** The configured model, and the index for its vectors. */
export interface ConfiguredIndex {
  readonly place: IndexPlace;
  readonly recipe: Recipe;
}

export interface EvaluateOptions {
  /**
   * Who starts drills: the guard; `operator`, who has the age identity, if the functions cannot decrypt snapshots; null
   * without a scratch database.
   */
  readonly drilledBy: 'guard' | 'operator' | null;
  /** The configured schedulers of the guard. */
  readonly schedulers: readonly Scheduler[];
  /** When the guard last ran, and who called it. */
  readonly guard: Pick<GuardState, 'callers' | 'lastRunAt'>;
  /** Types that are left out of snapshots: BACKUP_SKIP_TYPES. */
  readonly skipTypes: readonly string[];
  /** Whether this is the guard's turn, which reads all control objects. Default false. */
  readonly isGuard?: boolean;
  /** Null or absent without an index or an embedder. */
  readonly index?: ConfiguredIndex | null;
}
