import type { Ledger } from './manifest.js';
import { toText } from './text.js';

/** More than so many are counted, but not named: the checkpoint must stay small. */
const NAMED = 1000;

type Tallied = 'changedMeanwhile' | 'unsupported' | 'failed';

/** The ledger with one more key in one of its lists. */
export function addToLedger(ledger: Ledger, list: Tallied, key: Buffer, reason: string): Ledger {
  const { count, keys } = ledger[list];
  const named = keys.length < NAMED ? [...keys, { key: toText(key), reason }] : keys;
  return { ...ledger, [list]: { count: count + 1, keys: named } };
}
