import xxhash from 'xxhash-wasm';
import { isDue, sameExpiry, type ExpiryTime, type RecordLine } from '../../snapshot/record.js';
import { fromText, type Text } from '../../soulcaster/text.js';
import { frame } from './frame.js';

const hasher = await xxhash();
const SEED_NAME = 3n;
const SEED_VALUE = 4n;

/** A field of a hash that expires soon. `value` is a hash (XXH64) of its name and value. */
export interface LeavingField {
  readonly value: bigint;
  readonly time: ExpiryTime;
}

/** By a hash of the field's name. */
export type LeavingFields = ReadonlyMap<bigint, LeavingField>;

/**
 * Moves the fields of a hash's line that expire before `horizon` into `into`. Such a field may vanish during the
 * comparison, so each is compared with its own record, not as part of the hash.
 */
export function withoutLeaving(line: RecordLine, horizon: number, into: Map<bigint, LeavingField>): RecordLine {
  const soon = new Map<string, ExpiryTime>();
  for (const [field, time] of line.fx ?? []) if (isDue(time, horizon)) soon.set(nameOf(field), time);
  if (soon.size === 0 || line.t !== 'hash') return line;
  const v: (readonly [Text, Text])[] = [];
  for (const pair of line.v as readonly (readonly [Text, Text])[]) {
    const time = soon.get(nameOf(pair[0]));
    if (time === undefined) v.push(pair);
    else into.set(...leavingEntry(pair, time));
  }
  return { ...line, v, fx: (line.fx ?? []).filter(([field]) => !soon.has(nameOf(field))) };
}

function leavingEntry([field, value]: readonly [Text, Text], time: ExpiryTime): [bigint, LeavingField] {
  const name = fromText(field);
  const framed = frame([name, fromText(value)]);
  return [hasher.h64Raw(name, SEED_NAME), { value: hasher.h64Raw(framed, SEED_VALUE), time }];
}

/** Null when every present field is equal, and every absent one has expired by `now`. */
export function leavingDifference(
  wanted: LeavingFields,
  live: LeavingFields,
  now: number,
): 'field-expiry' | 'value' | null {
  for (const [name, { time, value }] of live) {
    const own = wanted.get(name);
    if (own === undefined || !sameExpiry(own.time, time)) return 'field-expiry';
    if (own.value !== value) return 'value';
  }
  for (const [name, { time }] of wanted) if (!live.has(name) && !isDue(time, now)) return 'field-expiry';
  return null;
}

export function allExpired(fields: LeavingFields, now: number): boolean {
  for (const { time } of fields.values()) if (!isDue(time, now)) return false;
  return true;
}

function nameOf(field: Text): string {
  return JSON.stringify(field);
}
