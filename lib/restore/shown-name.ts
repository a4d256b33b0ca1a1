import type { LedgerKey } from '../snapshot/manifest.js';

const LONGEST = 100;

/** A key's name as it may appear in a run's record and in an error: encrypted where names are encrypted. */
export function shownName(key: LedgerKey): string {
  if (typeof key === 'string') return JSON.stringify(key.slice(0, LONGEST));
  return 'age' in key ? `age:${key.age}` : `base64:${key.b.slice(0, LONGEST)}`;
}
