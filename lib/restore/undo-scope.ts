import type { Sealer } from '../ports/sealer.js';
import { openNames } from '../snapshot/ledger.js';
import type { Manifest } from '../snapshot/manifest.js';
import { fromText } from '../snapshot/text.js';
import type { Scope } from './model.js';

interface UndoPorts {
  readonly sealer: Sealer;
}

interface Narrowable {
  readonly scope: Scope;
  readonly target: string | null;
  readonly everything?: boolean;
}

/**
 * The request with the scope and target of the restore that the snapshot undoes, as far as it names none itself: the
 * safety snapshot of a one-project restore holds the whole database, and to undo that restore is no reason to touch
 * anything but the project. Other snapshots leave the request as it is, and so does `everything`.
 */
export async function narrowedToUndo<R extends Narrowable>(
  { sealer }: UndoPorts,
  request: R,
  { undoes }: Pick<Manifest, 'undoes'>,
): Promise<R> {
  if (undoes === undefined || request.everything === true) return request;
  const project = await openProject(sealer, undoes.project);
  const scope: Scope = 'all' in request.scope && project !== null ? { project } : request.scope;
  return { ...request, scope, target: request.target ?? undoes.target };
}

/** Whether the snapshot undoes the restore of just this project: then it may hold nothing of it. */
export async function undoesProject(
  { sealer }: UndoPorts,
  scope: Scope,
  { undoes }: Pick<Manifest, 'undoes'>,
): Promise<boolean> {
  if (undoes === undefined || 'all' in scope) return false;
  return (await openProject(sealer, undoes.project)) === scope.project;
}

/** Null for everything, and where no identity here opens the name. */
async function openProject(sealer: Sealer, sealed: NonNullable<Manifest['undoes']>['project']): Promise<string | null> {
  if (sealed === null) return null;
  const [opened] = await openNames(sealer, [{ key: sealed, reason: '' }]);
  const key = opened?.key ?? sealed;
  return typeof key === 'object' && 'age' in key ? null : fromText(key).toString('utf8');
}
