/** What every key begins with that is this program's own. */
const OURS = 'soulcaster-backup:';
/** What every key begins with that a restore stages a value under before it takes its place. */
const STAGED = `${OURS}restore:`;

/** Tells a database that drills may fill and wipe. */
export const SCRATCH_MARK = `${OURS}scratch`;

/** Staged keys of one run begin with this. */
export function stagingPrefix(run: string): string {
  return `${STAGED}${run}:`;
}

/** Whether a key was left by a restore that died: it goes away by itself, and belongs to nobody. */
export function isStaged(key: Buffer): boolean {
  return startsWith(key, STAGED);
}

/** Whether a key is this program's own, and so neither data nor left over. */
export function isOurs(key: Buffer): boolean {
  return startsWith(key, OURS);
}

function startsWith(key: Buffer, prefix: string): boolean {
  return key.subarray(0, prefix.length).toString('latin1') === prefix;
}
