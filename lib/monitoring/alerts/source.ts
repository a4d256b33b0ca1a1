import type { IndexPlace } from '../../ports/vector-index.js';
import type { Recipe } from '../../soulcaster/index-models.js';
import type { Facts } from '../facts.js';
import type { Scheduler } from '../schedulers.js';
import type { GuardState } from '../state.js';
import type { Condition } from './condition.js';

/**
 * By what an alert is evaluated: `facts`, which whoever reads the store has; `all-facts`, of which only the guard has met
 * every object, so that others can open it and not end it; `step`, which one step of the guard finds.
 */
export type Evidence = 'facts' | 'all-facts' | 'step';

/** Alerts that are found together: their codes, when they hold, and in which words. docs/operations.md has a row for each code. */
export interface AlertSource<C extends string = string> {
  readonly codes: Readonly<Record<C, Evidence>>;
  /** Codes whose words name one event; of the others they change while it lasts, such as an age. */
  readonly oneEvent?: readonly C[];
  /** What holds. Nothing where a step finds it, or whoever reads the facts. */
  readonly find: (facts: Facts, options: EvaluateOptions) => readonly Condition<C>[];
  /** What could not be found out by these facts, so that it is not over. */
  readonly undecided?: (facts: Facts) => readonly Pick<Condition<C>, 'code' | 'subject'>[];
}

/** What vectors are made with here, and the index that they go into. */
export interface ConfiguredIndex {
  readonly place: IndexPlace;
  readonly recipe: Recipe;
}

export interface EvaluateOptions {
  /**
   * Who starts drills: the guard; `operator`, whoever has the age identity, where snapshots are encrypted and the functions
   * cannot open them; null where there is no scratch database.
   */
  readonly drilledBy: 'guard' | 'operator' | null;
  /** What calls the guard unattended, as far as it is configured here. */
  readonly schedulers: readonly Scheduler[];
  /** When the guard ran last, and who called it. */
  readonly guard: Pick<GuardState, 'callers' | 'lastRunAt'>;
  /** Types that the operator does without: BACKUP_SKIP_TYPES. */
  readonly skipTypes: readonly string[];
  /** Whether this is the guard's turn, which has read all control objects. Default false. */
  readonly isGuard?: boolean;
  /** Null, or left out, where no index or no embedder is configured. */
  readonly index?: ConfiguredIndex | null;
}
