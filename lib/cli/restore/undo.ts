import type { ObjectStore } from '../../ports/store.js';
import { restoreInputSchema } from '../../restore/model.js';
import { isId } from '../../runs/ids.js';
import type { RunRecord } from '../../runs/model.js';
import { loadManifest } from '../../snapshot/manifest.js';
import { fieldsOf } from '../../restore/result.js';
import { restoreCommand } from './words.js';

/** Phases of a restore in which the target may have been changed. */
const WRITTEN: ReadonlySet<string> = new Set([
  'write',
  'written',
  'unite',
  'remove',
  'prove',
  'extras',
  'inspect',
  'report',
]);

/** How to undo a restore. */
export interface Undo {
  /** The id of the snapshot of the previous state; `empty`: the target was empty; `skipped`: the state was not saved. */
  readonly from: string;
  /** The command, or what to do without one. */
  readonly words: string;
  /** How many commands it took to save the previous state; 0 if it was empty. */
  readonly commands: number;
}

/** Null if the restore ended before it changed anything. `replica`: `store` is the second store. */
export async function undoOf(store: ObjectStore, run: RunRecord, replica = false): Promise<Undo | null> {
  const input = restoreInputSchema.parse(run.input);
  if (input.dryRun || !WRITTEN.has(run.phase)) return null;
  // An interrupted run has no result; its safety snapshot has the id of the run.
  const { undo } = fieldsOf(run.result);
  const recorded = typeof undo === 'string' ? undo : null;
  const id = recorded ?? run.id;
  const manifest = isId(id) ? ((await loadManifest(store, id))?.manifest ?? null) : null;
  if (manifest !== null) {
    return { from: id, words: restoreCommand(id, input, replica), commands: manifest.spent.commands };
  }
  const from = recorded ?? (input.safety ? 'empty' : 'skipped');
  return { from, words: from === 'empty' ? EMPTY : SKIPPED, commands: 0 };
}

/** For restores of older versions, which took no snapshot of an empty target. */
const EMPTY = 'empty the target: it was empty before';
const SKIPPED = 'not possible: the previous state was not saved (--no-safety)';
