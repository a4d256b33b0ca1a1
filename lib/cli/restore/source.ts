import { stat } from 'node:fs/promises';
import type { Replacements } from '../../app/connect.js';
import { isId } from '../../runs/ids.js';
import { SNAPSHOT_WORDS } from '../../snapshot/select.js';

/** A snapshot that was made of a file. */
export type FileSource = Required<Pick<Replacements, 'over' | 'words'>>;

/** What only a path can have. */
const PATH = /[/\\]|\.(jsonl?|gz|age|rdb|resp|dump)$/i;

/** Whether a file is meant, and no snapshot: an id is one even where there is a file of that name. */
export async function isFile(wanted: string): Promise<boolean> {
  if (isId(wanted) || (SNAPSHOT_WORDS as readonly string[]).includes(wanted)) return false;
  if (PATH.test(wanted)) return true;
  return stat(wanted).then(
    (found) => found.isFile(),
    () => false,
  );
}
