import type { StoredVector } from '../../ports/vector-index.js';
import type { ItemMetadata, ReadyItem } from '../items.js';
import type { SkipReason } from '../model.js';
import { lengthOf } from './vectors.js';

/**
 * The outcome of an item: null if it was gone; the hash of the embedded content followed by the beginning of the vector in
 * base64; or the hash (empty if there was nothing to hash) and why it was skipped.
 */
export type Fingerprint = null | string | readonly [hash: string, reason: SkipReason];

const HASH_DIGITS = 16;
/** This many components distinguish the vectors of two texts. */
const COMPONENTS = 4;
/** Upper bound for the error of a component after JSON, or after an index that stores fewer than 32 bits. */
const TOLERANCE = 2e-3;
const LENGTH_TOLERANCE = 1e-2;

export function fingerprintOf({ hash }: ReadyItem, vector: Float32Array): Fingerprint {
  const head = Buffer.alloc(COMPONENTS * 4);
  for (let at = 0; at < COMPONENTS; at++) head.writeFloatLE(vector[at] ?? 0, at * 4);
  return hash + head.toString('base64');
}

export function hashOf(print: Fingerprint): string {
  if (print === null) return '';
  return typeof print === 'string' ? print.slice(0, HASH_DIGITS) : print[0];
}

/** Whether a vector in the index is the one that was written, with the metadata of the current item. */
export function isAsWritten(
  stored: StoredVector | null,
  print: Fingerprint,
  metadata: ItemMetadata,
  dimensions: number,
): boolean {
  if (stored === null || typeof print !== 'string') return false;
  return hasVector(stored.values, print, dimensions) && hasMetadata(stored.metadata, metadata);
}

function hasVector(values: Float32Array, print: string, dimensions: number): boolean {
  if (values.length !== dimensions || !(Math.abs(lengthOf(values) - 1) < LENGTH_TOLERANCE)) return false;
  const head = Buffer.from(print.slice(HASH_DIGITS), 'base64');
  for (let at = 0; at < COMPONENTS; at++) {
    if (Math.abs((values[at] ?? 0) - head.readFloatLE(at * 4)) > TOLERANCE) return false;
  }
  return true;
}

/** Whether a vector has exactly the wanted metadata. */
export function hasMetadata(stored: Readonly<Record<string, string>>, wanted: ItemMetadata): boolean {
  const fields = Object.entries(wanted);
  return Object.keys(stored).length === fields.length && fields.every(([name, value]) => stored[name] === value);
}
