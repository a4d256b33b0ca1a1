import type { ClassifiedKey, Family } from './keys.js';
import type { Fields } from './text.js';

const OVER = 'failed';
const WORKING: ReadonlySet<string> = new Set(['running', 'pending']);
const FIXING: ReadonlySet<string> = new Set(['fixing']);

/** By family, what `status` says while work is going on. */
const IN_FLIGHT: Partial<Record<Family, ReadonlySet<string>>> = {
  job: WORKING,
  'cluster-job': WORKING,
  cluster: FIXING,
  'legacy-cluster': FIXING,
};

/**
 * The fields of a hash as they are to be restored: work that was going on when they were saved is over by then, and the
 * dashboard would show it as running for ever. Null when nothing is to be changed. Fields of a hash that comes in
 * several pieces may be given piece by piece.
 */
export function failInFlight(key: ClassifiedKey, fields: Fields): Fields | null {
  const inFlight = IN_FLIGHT[key.family];
  if (inFlight === undefined) return null;
  const isWorking = ([field, value]: Fields[number]): boolean =>
    field === 'status' && typeof value === 'string' && inFlight.has(value);
  if (!fields.some(isWorking)) return null;
  return fields.map((pair) => (isWorking(pair) ? ([pair[0], OVER] as const) : pair));
}

/** Whether a hash under this key may say that work is going on. */
export function maySayInFlight(key: ClassifiedKey): boolean {
  return IN_FLIGHT[key.family] !== undefined;
}

/** Whether a key is only of the moment and is never restored: a lock whose owner is gone would block the project. */
export function isEphemeral(key: ClassifiedKey): boolean {
  return key.family === 'cluster-lock';
}
