import { isId } from '../runs/ids.js';

/** Prefix of this program's own keys; a client may use the same prefix. */
const OURS = 'soulcaster-backup:';
/** Prefix of the keys under which a restore stages values. */
const STAGED = `${OURS}restore:`;
/** Longer names are not ours. */
const LONGEST = 200;

/** Marks a database that drills may fill and wipe. */
export const SCRATCH_MARK = `${OURS}scratch`;

/** The prefix of a run's staged keys. */
export function stagingPrefix(run: string): string {
  return `${STAGED}${run}:`;
}

/** Whether a dead restore left the key, which expires. Keys with the prefix but without a run id are a client's. */
export function isStaged(key: Buffer): boolean {
  if (key.length > LONGEST || key[0] !== STAGED.charCodeAt(0)) return false;
  const name = key.toString('latin1');
  if (!name.startsWith(STAGED)) return false;
  const [run = '', ...more] = name.slice(STAGED.length).split(':');
  return more.length > 0 && isId(run);
}

/** Whether a key is this program's own, and so neither data nor an extra key. */
export function isOwnKey(key: Buffer): boolean {
  return isStaged(key) || key.equals(MARK);
}

const MARK = Buffer.from(SCRATCH_MARK);
