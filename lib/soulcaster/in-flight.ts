import type { ClassifiedKey, Family } from './keys.js';
import type { Fields } from './text.js';

const FAILED = 'failed';
const WORKING: ReadonlySet<string> = new Set(['running', 'pending']);
const FIXING: ReadonlySet<string> = new Set(['fixing']);

/** By family, the values of `status` of work in progress. */
const IN_FLIGHT: Partial<Record<Family, ReadonlySet<string>>> = {
  job: WORKING,
  'cluster-job': WORKING,
  cluster: FIXING,
  'legacy-cluster': FIXING,
};

/**
 * The fields of a hash to restore: work in progress at the time of the snapshot is over by then, and the dashboard would
 * show it as running for ever, so its status is changed to failed. Null if nothing changes. A hash may be passed in pieces.
 */
export function failInFlight(key: ClassifiedKey, fields: Fields): Fields | null {
  const inFlight = IN_FLIGHT[key.family];
  if (inFlight === undefined) return null;
  const isWorking = ([field, value]: Fields[number]): boolean =>
    field === 'status' && typeof value === 'string' && inFlight.has(value);
  if (!fields.some(isWorking)) return null;
  return fields.map((pair) => (isWorking(pair) ? ([pair[0], FAILED] as const) : pair));
}

/** Whether a hash under this key may describe work in progress. */
export function canBeInFlight(key: ClassifiedKey): boolean {
  return IN_FLIGHT[key.family] !== undefined;
}

/** Whether a key is never restored: a lock whose owner is gone would block the project. */
export function isEphemeral(key: ClassifiedKey): boolean {
  return key.family === 'cluster-lock';
}
