import { isId } from '../runs/ids.js';

/** What every key begins with that is this program's own; a client may use the same beginning. */
const OURS = 'soulcaster-backup:';
/** What every key begins with that a restore stages a value under before it takes its place. */
const STAGED = `${OURS}restore:`;
/** Longer is no name of ours. */
const LONGEST = 200;

/** Tells a database that drills may fill and wipe. */
export const SCRATCH_MARK = `${OURS}scratch`;

/** Staged keys of one run begin with this. */
export function stagingPrefix(run: string): string {
  return `${STAGED}${run}:`;
}

/**
 * Whether a key was left by a restore that died: it goes away by itself, and belongs to nobody. What has no id of a run behind the
 * beginning is a client's.
 */
export function isStaged(key: Buffer): boolean {
  if (key.length > LONGEST || key[0] !== STAGED.charCodeAt(0)) return false;
  const name = key.toString('latin1');
  if (!name.startsWith(STAGED)) return false;
  const [run = '', ...more] = name.slice(STAGED.length).split(':');
  return more.length > 0 && isId(run);
}

/** Whether a key is this program's own, and so neither data nor left over. */
export function isOurs(key: Buffer): boolean {
  return isStaged(key) || key.equals(MARK);
}

const MARK = Buffer.from(SCRATCH_MARK);
