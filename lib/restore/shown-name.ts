import type { LedgerKey } from '../snapshot/manifest.js';

const LONGEST = 100;

/** The name of a key as it may stand in a run's record and in an error: encrypted where names are. */
export function shownName(key: LedgerKey): string {
  if (typeof key === 'string') return JSON.stringify(key.slice(0, LONGEST));
  return 'age' in key ? `age:${key.age}` : `base64:${key.b.slice(0, LONGEST)}`;
}
