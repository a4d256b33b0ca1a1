import { AppError } from '../errors.js';
import type { Encryptor } from '../ports/encryptor.js';
import { openNames } from '../snapshot/ledger.js';
import type { Imported, LedgerKey, Manifest } from '../snapshot/manifest.js';
import { fromText } from '../snapshot/text.js';
import { holdsAllOf, SELECT_ALL, type Selection } from '../soulcaster/selection.js';
import { scopeSchema, type Mode, type Scope } from './model.js';
import { scopeWords } from './scope-words.js';
import { projectsOf, sameScope, selectionOf } from './selected.js';
import { restoreCommand } from './undo-command.js';

interface UndoPorts {
  readonly encryptor: Encryptor;
}

interface Narrowable {
  readonly scope: Scope;
  readonly target: string | null;
  readonly everything?: boolean;
}

/**
 * The request with the scope and target of the restore that the snapshot undoes, as far as it names none itself: the
 * safety snapshot of a restore of one project, or of some keys, holds more than what that restore changed, and to undo it is no
 * reason to touch anything else. Other snapshots leave the request as it is; `everything` leaves its scope. Throws `wrong-key`
 * where no identity here opens what the restore was of.
 */
export async function narrowedToUndo<R extends Narrowable>(
  { encryptor }: UndoPorts,
  request: R,
  { undoes }: Pick<Manifest, 'undoes'>,
): Promise<R> {
  if (undoes === undefined) return request;
  const undone = 'all' in request.scope && request.everything !== true ? await undoneScope(encryptor, undoes) : null;
  const scope = undone ?? request.scope;
  return { ...request, scope, target: request.target ?? undoes.target };
}

/** Whether the snapshot undoes the restore of just this scope: then it may hold nothing of it. */
export async function undoesScope(
  { encryptor }: UndoPorts,
  scope: Scope,
  { undoes }: Pick<Manifest, 'undoes'>,
): Promise<boolean> {
  if (undoes === undefined || 'all' in scope) return false;
  const undone = await undoneScope(encryptor, undoes);
  return undone !== null && sameScope(undone, scope);
}

/**
 * Throws `usage` for a replacement beyond what the snapshot holds, where it holds a part alone: it would remove the rest. Named
 * keys are no matter: one that is not in the snapshot is refused later. `scope` is normal; everything is not asked about here
 * but for a safety snapshot.
 */
export async function demandHeld(
  { encryptor }: UndoPorts,
  { mode, scope, target }: { readonly mode: Mode; readonly scope: Scope; readonly target: string | null },
  manifest: Pick<Manifest, 'id' | 'imported' | 'partial' | 'undoes'>,
): Promise<void> {
  if (mode !== 'replace') return;
  const wanted = selectionOf(scope);
  if (wanted.projects.length === 0 && wanted.keys.length > 0) return;
  const { id, imported, partial, undoes } = manifest;
  if (partial === true && undoes !== undefined) {
    const undone = await undoneScope(encryptor, undoes);
    const held = undone === null ? null : { ...SELECT_ALL, projects: projectsOf(undone) };
    if (held !== null && held.projects.length > 0 && holdsAllOf(held, wanted)) return;
    throw beyond(
      `Snapshot ${id} was taken before a restore of ${undone === null ? 'some projects' : scopeWords(undone)} and holds no key of other projects: to replace them by it would remove them. Nothing was written`,
      `To undo that restore, name no scope: \`npx soulcaster-backup restore ${id} --env-file .env\`. For everything: \`${restoreCommand('latest', { scope: { all: true }, target })}\`.`,
    );
  }
  if (imported?.selection === undefined || 'all' in scope) return;
  const held = await selectedIn(encryptor, imported);
  if (held !== null && holdsAllOf(held, wanted)) return;
  throw beyond(
    `${selectionIn(id, imported)}: to replace ${scopeWords(scope)} by it could remove what it does not hold. Nothing was written`,
    'Bring it in with --mode merge or missing, or name the scope that it was exported with.',
  );
}

/** Throws `usage` for what would replace everything by what was selected of a snapshot: that would remove all the rest. */
export function demandWhole(
  { id, imported }: Pick<Manifest, 'id' | 'imported'>,
  { everything, mode, scope }: { readonly everything?: boolean; readonly mode: Mode; readonly scope: Scope },
): void {
  if (imported?.selection === undefined || mode !== 'replace' || !('all' in scope) || everything === true) return;
  throw beyond(
    `${selectionIn(id, imported)}: to replace everything by it would remove all the rest. Nothing was written`,
    'Bring it in with --mode merge or missing, or name what is to be replaced: --project, --key, --match or --family. To end up with nothing else: --everything.',
  );
}

function beyond(message: string, hint: string): AppError {
  return new AppError('usage', message, { hint });
}

function selectionIn(id: string, { file, selection = '' }: Imported): string {
  const what = file === undefined ? `Snapshot ${id}` : JSON.stringify(file);
  return `${what} holds a selection alone${selection === '' ? '' : ` (${selection})`}`;
}

/** Null where it is not known, or no identity here opens it. */
export async function selectedIn(encryptor: Encryptor, { selected }: Imported): Promise<Selection | null> {
  const text = selected === undefined ? null : await opened(encryptor, selected);
  return text === null ? null : (JSON.parse(text) as Selection);
}

/** Null for everything. Throws `wrong-key` where no identity here opens what it was of: it would be taken for everything. */
export async function undoneScope(
  encryptor: Encryptor,
  undoes: NonNullable<Manifest['undoes']>,
): Promise<Scope | null> {
  const { project, scope } = undoes;
  if (scope === undefined) {
    if (project === null) return null;
    const name = await opened(encryptor, project);
    if (name === null) throw unopened();
    return { project: name };
  }
  const text = await opened(encryptor, scope);
  if (text === null) throw unopened();
  return scopeSchema.parse(JSON.parse(text));
}

async function opened(encryptor: Encryptor, sealed: LedgerKey): Promise<string | null> {
  const [name] = await openNames(encryptor, [{ key: sealed, reason: '' }]);
  const key = name?.key ?? sealed;
  return typeof key === 'object' && 'age' in key ? null : fromText(key).toString('utf8');
}

function unopened(): AppError {
  return new AppError('wrong-key', 'What the snapshot undoes is encrypted, and no identity here opens it', {
    hint: 'Set BACKUP_AGE_IDENTITY to the identity that opens its parts, or say what is to be restored: a scope (--project, --key, --match, --family, --item), or --everything.',
  });
}
