import { AppError } from '../errors.js';
import type { Encryptor } from '../ports/encryptor.js';
import { openNames } from '../snapshot/ledger.js';
import type { LedgerKey, Manifest } from '../snapshot/manifest.js';
import { fromText } from '../snapshot/text.js';
import { scopeSchema, type Mode, type Scope } from './model.js';
import { scopeWords } from './scope-words.js';
import { isUnbounded, projectsOf, sameScope } from './selected.js';

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
 * reason to touch anything else. Other snapshots leave the request as it is, and so does `everything`. Throws `wrong-key`
 * where no identity here opens what the restore was of.
 */
export async function narrowedToUndo<R extends Narrowable>(
  { encryptor }: UndoPorts,
  request: R,
  { undoes }: Pick<Manifest, 'undoes'>,
): Promise<R> {
  if (undoes === undefined || request.everything === true) return request;
  const undone = 'all' in request.scope ? await undoneScope(encryptor, undoes) : null;
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
 * Throws `usage` for a replacement beyond what a safety snapshot holds that was taken of some projects alone: it would
 * remove the rest. Named keys are no matter: one that is not in the snapshot is refused later. `scope` is normal.
 */
export async function demandHeld(
  { encryptor }: UndoPorts,
  { mode, scope }: { readonly mode: Mode; readonly scope: Scope },
  { id, partial, undoes }: Pick<Manifest, 'id' | 'partial' | 'undoes'>,
): Promise<void> {
  if (partial !== true || undoes === undefined || mode !== 'replace') return;
  const undone = await undoneScope(encryptor, undoes);
  const held = new Set(undone === null ? [] : projectsOf(undone));
  const projects = projectsOf(scope);
  if (projects.length > 0 ? projects.every((project) => held.has(project)) : !isUnbounded(scope)) return;
  throw new AppError(
    'usage',
    `Snapshot ${id} was taken before a restore of ${undone === null ? 'some projects' : scopeWords(undone)} and holds no key of other projects: to replace them by it would remove them. Nothing was written`,
    {
      hint: `To undo that restore, name no scope: \`npx soulcaster-backup restore ${id} --env-file .env\`. For everything: \`npx soulcaster-backup restore latest --env-file .env\`.`,
    },
  );
}

/** Null for everything. Throws `wrong-key` where no identity here opens what it was of: it would be taken for everything. */
async function undoneScope(encryptor: Encryptor, undoes: NonNullable<Manifest['undoes']>): Promise<Scope | null> {
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
