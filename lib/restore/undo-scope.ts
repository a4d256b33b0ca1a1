import { AppError } from '../errors.js';
import type { Encryptor } from '../ports/crypto.js';
import { openNames } from '../snapshot/ledger.js';
import type { Imported, LedgerKey, Manifest } from '../snapshot/manifest.js';
import { fromText } from '../soulcaster/text.js';
import { coversScope } from '../runs/traits.js';
import { SELECT_ALL, type Selection } from '../soulcaster/selection.js';
import { scopeSchema, type Mode, type Scope } from './model.js';
import { scopeWords, restoreCommand } from './scope-words.js';
import { projectsOf, sameScope, selectionOf } from './scope.js';

interface UndoPorts {
  readonly encryptor: Encryptor;
}

interface Narrowable {
  readonly scope: Scope;
  readonly target: string | null;
  readonly everything?: boolean;
}

/**
 * Fills in the scope and target of the restore that the snapshot undoes, unless the request names its own. The safety
 * snapshot of a restore of one project, or of some keys, holds more than that restore changed, and undoing it must not
 * touch the rest. Requests with other snapshots are returned unchanged; `everything` keeps the scope of the request. Throws
 * `wrong-key` when no identity here opens the scope.
 */
export async function narrowToUndo<R extends Narrowable>(
  { encryptor }: UndoPorts,
  request: R,
  { undoes }: Pick<Manifest, 'undoes'>,
): Promise<R> {
  if (undoes === undefined) return request;
  const undone = 'all' in request.scope && request.everything !== true ? await undoneScope(encryptor, undoes) : null;
  const scope = undone ?? request.scope;
  return { ...request, scope, target: request.target ?? undoes.target };
}

/** Whether the snapshot undoes a restore of exactly this scope: then it may hold no key of the scope. */
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
 * Throws `usage` for a replacement of more than a partial snapshot holds: it would remove the rest. Named keys are
 * allowed here: one that is not in the snapshot is refused later. `scope` is normalized; everything is checked here
 * only for a safety snapshot.
 */
export async function assertScopeHeld(
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
    if (held !== null && held.projects.length > 0 && coversScope(held, wanted)) return;
    throw usageError(
      `Snapshot ${id} was taken before a restore of ${undone === null ? 'some projects' : scopeWords(undone)} and holds no key of other projects: replacing them by it would remove them. Nothing was written`,
      `To undo that restore, give no scope: \`npx soulcaster-backup restore ${id} --env-file .env\`. For everything: \`${restoreCommand('latest', { scope: { all: true }, target })}\`.`,
    );
  }
  if (imported?.selection === undefined || 'all' in scope) return;
  const held = await selectedIn(encryptor, imported);
  if (held !== null && coversScope(held, wanted)) return;
  throw usageError(
    `${selectionNote(id, imported)}: replacing ${scopeWords(scope)} by it could remove keys that it does not hold. Nothing was written`,
    'Restore it with --mode merge or missing, or give the scope that it was exported with.',
  );
}

/** Throws `usage` for a replacement of everything by a selection of a snapshot: it would remove the rest. */
export function assertMayReplaceAll(
  { id, imported }: Pick<Manifest, 'id' | 'imported'>,
  { everything, mode, scope }: { readonly everything?: boolean; readonly mode: Mode; readonly scope: Scope },
): void {
  if (imported?.selection === undefined || mode !== 'replace' || !('all' in scope) || everything === true) return;
  throw usageError(
    `${selectionNote(id, imported)}: replacing everything by it would remove all other keys. Nothing was written`,
    'Restore it with --mode merge or missing, or name the keys to replace: --project, --key, --match or --family. To remove all other keys on purpose: --everything.',
  );
}

function usageError(message: string, hint: string): AppError {
  return new AppError('usage', message, { hint });
}

function selectionNote(id: string, { file, selection = '' }: Imported): string {
  const what = file === undefined ? `Snapshot ${id}` : JSON.stringify(file);
  return `${what} holds only a selection${selection === '' ? '' : ` (${selection})`}`;
}

/** The selection that was exported; null when it is not known, or no identity here opens it. */
export async function selectedIn(encryptor: Encryptor, { selected }: Imported): Promise<Selection | null> {
  const text = selected === undefined ? null : await openText(encryptor, selected);
  return text === null ? null : (JSON.parse(text) as Selection);
}

/**
 * The scope of the undone restore; null for everything. Throws `wrong-key` when no identity here opens it, since it
 * would be taken for everything.
 */
export async function undoneScope(
  encryptor: Encryptor,
  undoes: NonNullable<Manifest['undoes']>,
): Promise<Scope | null> {
  const { project, scope } = undoes;
  const encrypted = scope ?? project;
  if (encrypted === null) return null;
  const text = await openText(encryptor, encrypted);
  if (text === null) {
    throw new AppError(
      'wrong-key',
      'The scope of the restore that this snapshot undoes is encrypted, and no identity here opens it',
      {
        hint: 'Set BACKUP_AGE_IDENTITY to the identity that opens its parts, or name a scope yourself (--project, --key, --match, --family, --item, or --everything).',
      },
    );
  }
  return scope === undefined ? { project: text } : scopeSchema.parse(JSON.parse(text));
}

async function openText(encryptor: Encryptor, encrypted: LedgerKey): Promise<string | null> {
  const [name] = await openNames(encryptor, [{ key: encrypted, reason: '' }]);
  const key = name?.key ?? encrypted;
  return typeof key === 'object' && 'age' in key ? null : fromText(key).toString('utf8');
}
