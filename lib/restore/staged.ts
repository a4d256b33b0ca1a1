/** What every key begins with that a restore stages a value under before it takes its place. */
const ROOT = 'soulcaster-backup:restore:';

/** Staged keys of one run begin with this. */
export function stagingPrefix(run: string): string {
  return `${ROOT}${run}:`;
}

/** Whether a key was left by a restore that died: it goes away by itself, and belongs to nobody. */
export function isStaged(key: Buffer): boolean {
  return key.subarray(0, ROOT.length).toString('latin1') === ROOT;
}
