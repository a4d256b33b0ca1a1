import type { z } from 'zod';
import type { Clock } from '../ports/clock.js';
import type { ObjectStore } from '../ports/store.js';

/** Values of a kind's variables, by the names that its shapes give them. */
export type StoreSettings = Readonly<Record<string, string | undefined>>;

/** Before the names of the second store's variables, and before none of the first's. */
export type VariablePrefix = '' | 'REPLICA_';

/**
 * A kind of store, by the beginning of its address. To add one: a folder with such an object, its import in
 * `registry.ts` and a place in `STORE_KINDS` there.
 */
export interface StoreKind<P> {
  /** How its addresses begin, such as `s3://`. */
  readonly begin: string;
  /** An address of it, for messages. */
  readonly form: string;
  /** Variables of one store; those of the second have REPLICA_ before these names. */
  readonly shape: Readonly<Record<string, z.ZodType>>;
  /** Variables that both stores read under the same name. */
  readonly shared: Readonly<Record<string, z.ZodType>>;
  /** The place that an address names, given what follows `begin`, or what is wrong with it, to be put behind the variable's name. */
  place(rest: string): P | string;
  /** What is wrong with the variables together, as [name, message]. */
  problems(settings: StoreSettings): readonly (readonly [string, string])[];
  /** A store without retries; a promise where an SDK has to be loaded first. */
  open(place: P, settings: StoreSettings, context: StoreContext): ObjectStore | Promise<ObjectStore>;
}

export interface StoreContext {
  readonly clock: Clock;
  readonly variables: VariablePrefix;
}

/** Two texts must not name one place: the second store would be taken for another one. */
export function segmentProblem(path: string): string | null {
  return path.split('/').some((segment) => ['', '.', '..'].includes(segment))
    ? 'must not hold //, /./ or /../, and must name a folder'
    : null;
}
