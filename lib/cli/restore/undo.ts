import { AppError } from '../../errors.js';
import type { ObjectStore } from '../../ports/store.js';
import { demandProject } from '../../restore/choose.js';
import { restoreInputSchema, type RestoreInput } from '../../restore/model.js';
import { isId } from '../../runs/ids.js';
import type { RunRecord } from '../../runs/model.js';
import { loadManifest, type Manifest } from '../../snapshot/manifest.js';
import { fieldsOf } from './result.js';
import { restoreCommand } from './words.js';

/** Phases of a restore in which the target is not as it was. */
const WRITTEN: ReadonlySet<string> = new Set(['write', 'remove', 'prove', 'extras', 'inspect', 'report']);

/** The way back from a restore. */
export interface Undo {
  /** Id of the snapshot that holds what was there; `empty`, nothing was there; `skipped`, nobody looked. */
  readonly from: string;
  /** The command, or what to do where there is none. */
  readonly words: string;
  /** What it took to save what was there; 0 where nothing was. */
  readonly commands: number;
}

/** Null when the restore did not come as far as to change anything. */
export async function undoOf(store: ObjectStore, run: RunRecord): Promise<Undo | null> {
  const input = restoreInputSchema.parse(run.input);
  if (input.dryRun || !WRITTEN.has(run.phase)) return null;
  // A run that broke off has no result; what it saved has its id.
  const { undo } = fieldsOf(run.result);
  const told = typeof undo === 'string' ? undo : null;
  const id = told ?? run.id;
  const manifest = isId(id) ? ((await loadManifest(store, id))?.manifest ?? null) : null;
  if (manifest !== null) return { from: id, words: wayBack(manifest, input), commands: manifest.spent.commands };
  const from = told ?? (input.safety ? 'empty' : 'skipped');
  return { from, words: from === 'empty' ? EMPTY : SKIPPED, commands: 0 };
}

const EMPTY = 'empty the target: there was nothing in it before';
const SKIPPED = 'none: what was there was not saved (--no-safety)';

/** A snapshot that holds nothing of the project cannot be restored for it alone. */
function wayBack(manifest: Manifest, input: RestoreInput): string {
  const command = restoreCommand(manifest.id, input);
  if ('all' in input.scope) return command;
  try {
    demandProject(manifest, input.scope.project);
    return command;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const whole = restoreCommand(manifest.id, input, true);
    return `${whole} (all of the database: the project was not there before)`;
  }
}
