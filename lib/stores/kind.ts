import type { z } from 'zod';
import type { Clock } from '../ports/clock.js';
import type { ObjectStore } from '../ports/store.js';

/** Values of a kind's variables, by the names in its shapes. */
export type StoreSettings = Readonly<Record<string, string | undefined>>;

/** Prefix of the second store's variables; the first store's have none. */
export type VariablePrefix = '' | 'REPLICA_';

/**
 * A kind of store, chosen by the beginning of the address. To add one: a folder with such an object, and an entry in
 * `STORE_KINDS` of `registry.ts`.
 */
export interface StoreKind<P> {
  /** How its addresses begin, such as `s3://`. */
  readonly begin: string;
  /** An example of its addresses, for messages. */
  readonly form: string;
  /** Variables of one store; the second store's have REPLICA_ before these names. */
  readonly shape: Readonly<Record<string, z.ZodType>>;
  /** Variables that both stores read under the same name. */
  readonly shared: Readonly<Record<string, z.ZodType>>;
  /** Parses the rest of an address after `begin`; a string is a problem, to be printed after the variable's name. */
  place(rest: string): P | string;
  /** What is wrong with the variables together, as [name, message]. */
  problems(settings: StoreSettings): readonly (readonly [string, string])[];
  /** A store without retries; a promise when an SDK has to be loaded first. */
  open(place: P, settings: StoreSettings, context: StoreContext): ObjectStore | Promise<ObjectStore>;
}

export interface StoreContext {
  readonly clock: Clock;
  readonly variables: VariablePrefix;
}

/** Two addresses must not name the same place: both stores would be one. */
export function findSegmentProblem(path: string): string | null {
  return path.split('/').some((segment) => ['', '.', '..'].includes(segment))
    ? 'must not hold //, /./ or /../, and must name a folder'
    : null;
}
