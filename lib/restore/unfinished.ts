import type { Clock, ObjectStore, RedisPort } from '../ports/index.js';
import { readAcceptance } from '../snapshot/acceptance.js';
import { projectLabel } from '../snapshot/project-label.js';
import { doubtsOf, sourceOf } from '../snapshot/source.js';
import { addMark, removeMarks, type MarkStores, type Unfinished } from '../snapshot/unfinished-marks.js';
import type { RestoreContext } from './context.js';
import type { Mode, RestoreInput, Scope } from './model.js';

interface MarkPorts extends MarkStores {
  readonly clock: Pick<Clock, 'now'>;
}

type What = Pick<RestoreInput, 'mode' | 'scope'>;

/**
 * Marks a database before the first write of a restore: until a proof or an operator ends that, what it holds may be
 * partly old and partly restored, and no snapshot of it is `latest`. The mark is of the database and not of the name it
 * is reached under, so that it holds for a standby that the application is switched to as well.
 */
export async function markUnfinished(
  { clock, store }: MarkPorts,
  run: string,
  redis: Pick<RedisPort, 'host'>,
  { mode, scope }: What,
): Promise<void> {
  const since = new Date(clock.now()).toISOString();
  await addMark(store, sourceOf(redis.host), { run, scope: hidden(scope), mode, since, kind: 'restore' });
}

/**
 * Ends the marks that a restore which was proven makes meaningless: its own, and those of earlier ones that it brought to
 * what they were to bring. A replacement of everything ends all; one of a project, those of the project; another mode,
 * those of the same.
 */
export async function clearUnfinished(
  ports: MarkPorts,
  run: string,
  redis: Pick<RedisPort, 'host'>,
  what: What,
): Promise<void> {
  const source = sourceOf(redis.host);
  const isOver = (mark: Unfinished): boolean => mark.run === run || covers(what, mark);
  await removeMarks(ports.store, source, isOver);
  const other = ports.marksElsewhere?.() ?? null;
  // The other store may be gone: that is what there are two for. Its marks are then ended by an operator.
  if (other !== null) await removeMarks(other, source, isOver).catch(() => undefined);
}

/**
 * Whether a restore ends no mark, though it is proven: its snapshot shows a database that was the target of an unfinished
 * restore, and nobody has accepted it. What it brings back is partly old and partly restored.
 */
export async function staysMarked(
  store: ObjectStore,
  { manifest, state }: Pick<RestoreContext, 'manifest' | 'state'>,
): Promise<boolean> {
  if (!doubtsOf(manifest).some(({ code }) => code === 'restore-unfinished')) return false;
  const accepted = await readAcceptance(store, manifest.id);
  return accepted?.snapshot !== manifest.id || accepted.manifestSha256 !== state.manifestSha256;
}

function covers({ mode, scope }: What, mark: Unfinished): boolean {
  const isSameMode = mark.mode === undefined ? isReplace(mode) : isReplace(mode) || mark.mode === mode;
  if (!isSameMode) return false;
  if ('all' in scope) return true;
  const own = hidden(scope);
  return 'project' in mark.scope && 'project' in own && mark.scope.project === own.project;
}

function isReplace(mode: Mode): boolean {
  return mode === 'replace';
}

/** A project's id is not for whoever can read the store: only whether two are the same matters. */
function hidden(scope: Scope): Unfinished['scope'] {
  return 'all' in scope ? { all: true } : { project: projectLabel(scope.project) };
}
