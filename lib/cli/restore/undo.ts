import type { ObjectStore, Signer } from '../../ports/index.js';
import { restoreInputSchema } from '../../restore/model.js';
import { isId } from '../../runs/ids.js';
import type { RunRecord } from '../../runs/model.js';
import { loadManifest } from '../../snapshot/manifest.js';
import { readTombstone } from '../../snapshot/tombstone.js';
import { EMPTY, hasWritten, SKIPPED } from '../../restore/left-behind.js';
import { fieldsOf } from '../../restore/result.js';
import { printable } from '../output/format.js';
import { restoreCommand } from './words.js';

/** The way back from a restore. */
export interface Undo {
  /** Id of the snapshot that holds what was there, be it nothing; `empty`, nothing was there; `skipped`, nobody looked. */
  readonly from: string;
  /** The command, or what to do where there is none. */
  readonly words: string;
  /** What it took to save what was there; 0 where nothing was. */
  readonly commands: number;
  /** Of a snapshot that was saved and is gone: when it was removed and why, where that is on record. */
  readonly removed?: { readonly at: string; readonly reasons: readonly string[] } | null;
}

/**
 * Null when the restore did not come as far as to change anything. `replica`: `store` is the second one. `signer`: to read on record why
 * what was saved is gone.
 */
export async function undoOf(
  store: ObjectStore,
  run: RunRecord,
  replica = false,
  signer: Signer | null = null,
): Promise<Undo | null> {
  const input = restoreInputSchema.parse(run.input);
  if (input.dryRun || !hasWritten(run)) return null;
  // A run that broke off has no result; what it saved has its id.
  const { undo } = fieldsOf(run.result);
  const told = typeof undo === 'string' ? undo : null;
  const id = told ?? run.id;
  const manifest = isId(id) ? ((await loadManifest(store, id))?.manifest ?? null) : null;
  if (manifest !== null) {
    return { from: id, words: restoreCommand(id, input, replica), commands: manifest.spent.commands };
  }
  if (told !== null && isId(told)) {
    const tombstone = signer === null ? null : await readTombstone({ store, signer }, told);
    const removed = tombstone === null ? null : { at: tombstone.prunedAt, reasons: tombstone.reasons };
    return { from: told, words: goneWords(told, removed), commands: 0, removed };
  }
  const from = told ?? (input.safety ? 'empty' : 'skipped');
  return { from, words: from === 'empty' ? EMPTY : SKIPPED, commands: 0 };
}

function goneWords(id: string, removed: Undo['removed']): string {
  if (removed === null || removed === undefined)
    return `none: what was there was saved as snapshot ${id}, which is gone from the store`;
  return `none: what was there was saved as snapshot ${id}, which was removed at ${removed.at} (${removed.reasons.map(printable).join('; ')})`;
}
