const SNAPSHOTS = 'snapshots/';
const DIGITS = 5;

/** Where everything that belongs to snapshots lies. */
export const SNAPSHOTS_PREFIX = SNAPSHOTS;

/** Held by whatever needs the protected database to itself: a snapshot must not be taken of one that is half restored. */
export const DATABASE_LEASE = 'database';

export function manifestName(id: string): string {
  return `${SNAPSHOTS}${id}/manifest.json`;
}

/** Outcome of the last verification; written over each time. */
export function verificationName(id: string): string {
  return `${SNAPSHOTS}${id}/verification.json`;
}

/** That an operator takes a doubtful snapshot for a good one, and why. */
export function acceptedName(id: string): string {
  return `${SNAPSHOTS}${id}/accepted.json`;
}

/** That an unsigned snapshot was verified in full and counts as signed. */
export function adoptedName(id: string): string {
  return `${SNAPSHOTS}${id}/adopted.json`;
}

/**
 * Name of a part within its snapshot. The fencing number of the attempt that writes it keeps an attempt that is dead, or only
 * thought to be, from ever writing the same object as its successor; `writer` does it where several write under one number.
 */
export function partFile(index: number, fence: number, suffix: '' | '.age', writer = ''): string {
  return `part-${pad(index)}-${pad(fence)}${writer === '' ? '' : `.${writer}`}.jsonl.gz${suffix}`;
}

/** The fencing number in the name of a part; null for what is no such name. */
export function fenceOfPart(file: string): number | null {
  const fence = /^part-\d+-(\d+)\./.exec(file)?.[1];
  return fence === undefined ? null : Number(fence);
}

/** Name of the index of a snapshot's keys, see key-index.ts. The fencing number as in a part's. */
export function keyIndexFile(fence: number, suffix: '' | '.age'): string {
  return `keys-${pad(fence)}.bin${suffix}`;
}

export function partName(id: string, file: string): string {
  return `${SNAPSHOTS}${id}/${file}`;
}

export function suffixOf(file: string): '' | '.age' {
  return file.endsWith('.age') ? '.age' : '';
}

function pad(value: number): string {
  return String(value).padStart(DIGITS, '0');
}
