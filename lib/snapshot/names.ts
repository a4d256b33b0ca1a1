const SNAPSHOTS = 'snapshots/';
const DIGITS = 5;

/** The prefix of all objects of snapshots. */
export const SNAPSHOTS_PREFIX = SNAPSHOTS;

/** The lease for exclusive use of the protected database: no snapshot may be taken while a restore writes. */
export const DATABASE_LEASE = 'database';

export function manifestName(id: string): string {
  return `${SNAPSHOTS}${id}/manifest.json`;
}

/** Outcome of the last verification; overwritten by the next. */
export function verificationName(id: string): string {
  return `${SNAPSHOTS}${id}/verification.json`;
}

/** Present when an operator accepted a doubtful snapshot; holds the reason. */
export function acceptedName(id: string): string {
  return `${SNAPSHOTS}${id}/accepted.json`;
}

/** Present when an unsigned snapshot was verified in full and counts as signed. */
export function adoptedName(id: string): string {
  return `${SNAPSHOTS}${id}/adopted.json`;
}

/**
 * Name of a part within its snapshot. With the fencing number of the attempt in the name, an attempt that seems dead can never
 * write the same object as its successor; `writer` separates several writers under one number.
 */
export function partFile(index: number, fence: number, suffix: '' | '.age', writer = ''): string {
  return `part-${pad(index)}-${pad(fence)}${writer === '' ? '' : `.${writer}`}.jsonl.gz${suffix}`;
}

/** The fencing number in the name of a part; null for another name. */
export function fenceOfPart(file: string): number | null {
  const fence = /^part-\d+-(\d+)\./.exec(file)?.[1];
  return fence === undefined ? null : Number(fence);
}

/** Name of a snapshot's key index, see key-index.ts, with the fencing number of the attempt as in a part's name. */
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
