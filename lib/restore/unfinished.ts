import { toAppError } from '../errors.js';
import type { Clock, Log, ObjectStore, RedisPort } from '../ports/index.js';
import { readAcceptance } from '../snapshot/acceptance.js';
import { projectLabel } from '../snapshot/project-label.js';
import { lacksSavableKeys } from '../snapshot/shortfall.js';
import { doubtsOf, isOfHalfRestored, sourceOf } from '../snapshot/source.js';
import { addMark, endMarks, type MarkStores, type Unfinished } from '../snapshot/unfinished-marks.js';
import type { RestoreContext } from './context.js';
import type { Mode, RestoreInput, Scope } from './model.js';
import { itemName } from './scope-words.js';
import { itemsOf, projectsOf } from './selected.js';
import { sameRestore } from './undo-command.js';

interface MarkPorts extends MarkStores {
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}

type What = Pick<RestoreInput, 'mode' | 'scope' | 'snapshot'>;

/**
 * Marks a database before the first write of a restore: until a proof or an operator ends that, what it holds may be
 * partly old and partly restored, and no snapshot of it is `latest`. The mark is of the database and not of the name it
 * is reached under, so that it holds for a standby that the application is switched to as well. A restore from the second
 * store marks it in the first one too, which status and guard read. Returns why that could not be, or null.
 */
export async function markUnfinished(
  ports: MarkPorts,
  run: string,
  { input, manifest, redis }: Pick<RestoreContext, 'input' | 'manifest' | 'redis'>,
): Promise<string | null> {
  const { mode, scope } = input;
  const isUndo = manifest.purpose === 'safety';
  // What is incomplete was allowed to be, or the restore would not have begun.
  const settle = isUndo ? null : input.settle;
  const snapshot = ports.snapshotWords ?? input.snapshot;
  const asked = { ...input, snapshot, settle, allowIncomplete: lacksSavableKeys(manifest) };
  const command = sameRestore(asked, ports.firstStore !== undefined);
  const mark: Unfinished = {
    run,
    scope: hidden(scope),
    ...('all' in scope || 'project' in scope ? {} : { kinds: labelled(scope) }),
    mode,
    snapshot: input.snapshot,
    since: new Date(ports.clock.now()).toISOString(),
    kind: isUndo ? 'undo' : 'restore',
    hint: `\`${command}\``,
  };
  const source = sourceOf(redis.host);
  await addMark(ports.store, source, mark);
  try {
    const first = ports.firstStore?.() ?? null;
    if (first !== null) await addMark(first, source, mark);
    return null;
  } catch (error) {
    const { code, message } = toAppError(error);
    ports.log.warn('restore-not-marked-in-first-store', { run, code });
    ports.onNotMarked?.(message);
    return message;
  }
}

/**
 * Ends the marks that a restore which was proven makes meaningless: its own, and those of earlier ones that it brought to
 * what they were to bring. A replacement of everything ends all; one of a project, those of the project and of parts of it;
 * another mode, those of the same that brought the same snapshot: what another one left half written stays where it is.
 */
export async function clearUnfinished(
  ports: MarkStores,
  run: string,
  redis: Pick<RedisPort, 'host'>,
  what: What,
): Promise<void> {
  await endMarksOf(ports, redis, (mark) => mark.run === run || covers(what, mark));
}

/** Ends the mark of a restore that ended before its first write. */
export async function unmark(ports: MarkStores, run: string, redis: Pick<RedisPort, 'host'>): Promise<void> {
  await endMarksOf(ports, redis, (mark) => mark.run === run);
}

async function endMarksOf(
  ports: MarkStores,
  redis: Pick<RedisPort, 'host'>,
  isOver: (mark: Unfinished) => boolean,
): Promise<void> {
  const source = sourceOf(redis.host);
  await endMarks(ports.store, source, isOver);
  const other = ports.marksElsewhere?.() ?? null;
  // The other store may be gone: that is what there are two for. Its marks are then ended by an operator.
  if (other !== null) await endMarks(other, source, isOver).catch(() => undefined);
}

/**
 * Whether a restore ends no mark, though it is proven: its snapshot shows a database that was the target of an unfinished
 * restore, and nobody has accepted it. What it brings back is partly old and partly restored.
 */
export async function staysMarked(
  store: ObjectStore,
  { manifest, state }: Pick<RestoreContext, 'manifest' | 'state'>,
): Promise<boolean> {
  if (!doubtsOf(manifest).some(isOfHalfRestored)) return false;
  const accepted = await readAcceptance(store, manifest.id);
  return accepted?.snapshot !== manifest.id || accepted.manifestSha256 !== state.manifestSha256;
}

function covers({ mode, scope, snapshot }: What, mark: Unfinished): boolean {
  const isSame = mark.mode === mode && (mark.snapshot === undefined || mark.snapshot === snapshot);
  if (!isReplace(mode) && !isSame) return false;
  if ('all' in scope) return true;
  const inner = mark.kinds ?? ('project' in mark.scope ? { projects: [mark.scope.project] } : {});
  return Object.entries(labelled(scope)).every(([kind, entries]) => {
    const some = inner[kind as Kind] ?? [];
    return some.length > 0 && some.every((entry) => entries.includes(entry));
  });
}

function isReplace(mode: Mode): boolean {
  return mode === 'replace';
}

type Kind = 'projects' | 'families' | 'matches' | 'keys' | 'items';
type Kinds = Partial<Record<Kind, string[]>>;

/** Ids, keys and patterns are not for whoever can read the store: only whether two are the same matters. */
function labelled(scope: Scope): Kinds {
  const { families = [], keys = [], matches = [] } = 'families' in scope ? scope : {};
  const items = (itemsOf(scope) ?? []).map(itemName);
  const named = { projects: projectsOf(scope), families, matches, keys, items };
  const given = Object.entries(named).filter(([, entries]) => entries.length > 0);
  return Object.fromEntries(
    given.map(([kind, entries]) => [kind, entries.map((entry) => (kind === 'families' ? entry : projectLabel(entry)))]),
  );
}

/** What versions that know of no other scopes take it for: all of one project, or everything. */
function hidden(scope: Scope): Unfinished['scope'] {
  const [project, ...more] = projectsOf(scope);
  return project === undefined || more.length > 0 ? { all: true } : { project: projectLabel(project) };
}
