import type { RestoreNames } from '../../restore/result.js';
import type { RestoreInput } from '../../restore/model.js';
import { scopeWords as wordsOf, restoreCommand, sameRestore } from '../../restore/scope-words.js';
import { snapshotName } from '../../restore/plan-words.js';
import { printable } from '../output/format.js';

export { restoreCommand, sameRestore };

/** `everything`, `project p`, `keys matching feedback:*, family config`, `item p/1`. */
export function scopeWords({ scope }: Pick<RestoreInput, 'scope'>): string {
  return printable(wordsOf(scope));
}

/** `the database DB (label)` or `target t (DB)`, DB being its host. */
export function targetWords({ names, target }: Named): string {
  const { host, label, source } = names.database;
  const where = host ?? `source ${source}`;
  const named = label === null ? where : `${where} (${printable(label)})`;
  return target === null ? `the database ${named}` : `target ${printable(target)} (${where})`;
}

/** `snapshot 20261122T020000Z-x7k2m9 (label)`, with its source if it is of another database, or `file dump.rdb`. */
export function snapshotWords({ file, names, snapshot }: Named): string {
  if (file !== null) return printable(snapshotName({ file, snapshot }));
  const { label, own, source } = names.snapshot;
  const named = label === null ? '' : ` (${printable(label)})`;
  return own ? `snapshot ${snapshot}${named}` : `snapshot ${snapshot} of ANOTHER DATABASE, source ${source}${named},`;
}

/** The names in a result, with the host, which only the configuration has. */
export interface Named {
  readonly snapshot: string;
  readonly file: string | null;
  readonly target: string | null;
  readonly names: Omit<RestoreNames, 'database'> & {
    readonly database: RestoreNames['database'] & { readonly host: string | null };
  };
}

/** The warning of a restore from the second store that could not be marked in the first. */
export function notMarkedWords(why: string): string {
  return `warning: the first store could not be marked: ${printable(why)}. While this restore is unfinished, status and guard do not show it there, and a backup into it may become \`latest\`: pause the schedules until it is done.`;
}

/** The warning of a restore from the second store that could not read the first store's erasure list. */
export function erasuresUnreadWords(why: string): string {
  return `warning: the erasure list of the first store was not read: ${printable(why)}. Data added to that list since the last replication are restored: run \`npx soulcaster-backup erasures list --env-file .env\` when the first store can be reached.`;
}
