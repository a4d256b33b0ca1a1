import type { ObjectStore } from '../../ports/store.js';
import { restoreInputSchema } from '../../restore/model.js';
import { isId } from '../../runs/ids.js';
import type { RunRecord } from '../../runs/model.js';
import { loadManifest } from '../../snapshot/manifest.js';
import { EMPTY, hasWritten, SKIPPED } from '../../restore/left-behind.js';
import { fieldsOf } from '../../restore/result.js';
import { restoreCommand } from './words.js';

/** The way back from a restore. */
export interface Undo {
  /** Id of the snapshot that holds what was there, be it nothing; `empty`, nothing was there; `skipped`, nobody looked. */
  readonly from: string;
  /** The command, or what to do where there is none. */
  readonly words: string;
  /** What it took to save what was there; 0 where nothing was. */
  readonly commands: number;
}

/** Null when the restore did not come as far as to change anything. `replica`: `store` is the second one. */
export async function undoOf(store: ObjectStore, run: RunRecord, replica = false): Promise<Undo | null> {
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
  const from = told ?? (input.safety ? 'empty' : 'skipped');
  return { from, words: from === 'empty' ? EMPTY : SKIPPED, commands: 0 };
}
