import { toAppError } from '../errors.js';
import type { Clock, Log, ObjectStore, RedisPort } from '../ports/index.js';
import { type Acceptance, readAcceptance } from '../snapshot/statements.js';
import type { Manifest } from '../snapshot/manifest.js';
import { projectLabel } from '../snapshot/counts.js';
import { lacksSavableKeys } from '../snapshot/ledger.js';
import { doubtsOf, isHalfRestoredDoubt } from '../snapshot/summary.js';
import { sourceOf } from '../snapshot/source.js';
import {
  addMark,
  endMarks,
  inBothStores,
  marksOf,
  type MarkStores,
  type Unfinished,
} from '../snapshot/unfinished-marks.js';
import { isId } from '../runs/ids.js';
import type { RunRecord } from '../runs/model.js';
import type { RestoreContext } from './context.js';
import type { Scope } from './model.js';
import { itemName, sameRestore, restoreCommand } from './scope-words.js';
import { itemsOf, projectsOf } from './scope.js';
import { inputOf, parseRestoreCheckpoint } from './checkpoint.js';

interface MarkPorts extends MarkStores {
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}

type What = Pick<RestoreContext, 'input' | 'manifest'>;

/**
 * Marks a database before the first write of a restore: until a proof or an operator ends the mark, its data may be
 * partly old and partly restored, and no snapshot of it is `latest`. The mark belongs to the database, not to its
 * target name, so it also holds for a standby that the application is switched to. The other store is marked too: status and
 * guard read the first one, and the second one may take its place. Returns why the first store could not be marked, or null.
 */
export async function markUnfinished(
  ports: MarkPorts,
  run: string,
  { input, manifest, redis }: Pick<RestoreContext, 'input' | 'manifest' | 'redis'>,
): Promise<string | null> {
  const { mode, scope } = input;
  const isUndo = manifest.purpose === 'safety';
  // An incomplete snapshot was allowed, or the restore would not have begun.
  const settle = isUndo ? null : input.settle;
  const snapshot = input.file ?? input.snapshot;
  const request = { ...input, snapshot, settle, allowIncomplete: lacksSavableKeys(manifest) };
  const command = sameRestore(request, ports.firstStore !== undefined);
  const mark: Unfinished = {
    run,
    scope: legacyScope(scope),
    ...('all' in scope || 'project' in scope ? {} : { kinds: hashedKinds(scope) }),
    mode,
    snapshot: input.snapshot,
    ...fileOf(manifest),
    since: new Date(ports.clock.now()).toISOString(),
    kind: isUndo ? 'undo' : 'restore',
    hint: `\`${command}\``,
  };
  const source = sourceOf(redis.host);
  await addMark(ports.store, source, mark);
  const isSecond = ports.firstStore !== undefined;
  try {
    const other = (ports.firstStore ?? ports.marksElsewhere)?.() ?? null;
    if (other !== null) await addMark(other, source, mark);
    return null;
  } catch (error) {
    const { code, message } = toAppError(error);
    ports.log.warn(`restore-not-marked-in-${isSecond ? 'first' : 'second'}-store`, { run, code });
    // The mark of the first store is the one that counts while there are two.
    if (!isSecond) return null;
    ports.onNotMarked?.(message);
    return message;
  }
}

/**
 * Ends the marks that a proven restore makes obsolete: its own, and those of earlier restores that it completes.
 * Replacing everything ends all; replacing a project ends those of the project and of parts of it; another mode ends
 * those of the same mode and the same snapshot or file: data that another restore left half-written are still there.
 */
export async function clearUnfinished(
  ports: MarkStores,
  run: string,
  context: What & Pick<RestoreContext, 'redis'>,
): Promise<void> {
  await endMarksOf(ports, context.redis, (mark) => mark.run === run || covers(context, mark));
}

/** Removes the mark of a restore that ended before its first write. */
export async function unmark(ports: MarkStores, run: string, redis: Pick<RedisPort, 'host'>): Promise<void> {
  await endMarksOf(ports, redis, (mark) => mark.run === run);
}

async function endMarksOf(
  ports: MarkStores,
  redis: Pick<RedisPort, 'host'>,
  isOver: (mark: Unfinished) => boolean,
): Promise<void> {
  const source = sourceOf(redis.host);
  await inBothStores(ports, (store) => endMarks(store, source, isOver));
}

/**
 * Whether the database stays marked although the restore is proven: the snapshot was taken during an unfinished restore
 * and nobody accepted it, so its data are partly old and partly restored.
 */
export async function staysMarked(
  store: ObjectStore,
  { manifest, state }: Pick<RestoreContext, 'manifest' | 'state'>,
): Promise<boolean> {
  return doubtsOf(manifest).some(isHalfRestoredDoubt) && (await acceptanceOf(store, { manifest, state })) === null;
}

/** The acceptance of the snapshot, where it has doubts; null where it has none, or nobody accepted it. */
export async function acceptanceOf(
  store: ObjectStore,
  { manifest, state }: Pick<RestoreContext, 'manifest' | 'state'>,
): Promise<Acceptance | null> {
  if (doubtsOf(manifest).length === 0) return null;
  const accepted = await readAcceptance(store, manifest.id);
  return accepted?.snapshot === manifest.id && accepted.manifestSha256 === state.manifestSha256 ? accepted : null;
}

function covers({ input: { mode, scope, snapshot }, manifest }: What, mark: Unfinished): boolean {
  const isSameFile = mark.file !== undefined && mark.file === fileOf(manifest).file;
  const isSameSnapshot = mark.snapshot === undefined || mark.snapshot === snapshot || isSameFile;
  if (mode !== 'replace' && !(mark.mode === mode && isSameSnapshot)) return false;
  if ('all' in scope) return true;
  const inner = mark.kinds ?? ('project' in mark.scope ? { projects: [mark.scope.project] } : {});
  return Object.entries(hashedKinds(scope)).every(([kind, entries]) => {
    const some = inner[kind as Kind] ?? [];
    return some.length > 0 && some.every((entry) => entries.includes(entry));
  });
}

/** The file of an imported snapshot, by its hash, and the number of the database that was chosen in the file. */
function fileOf({ imported }: Pick<Manifest, 'imported'>): { readonly file?: string } {
  if (imported === undefined) return {};
  const { database, sha256 } = imported;
  return { file: database === undefined ? sha256 : `${sha256}-${database}` };
}

type Kind = 'projects' | 'families' | 'matches' | 'keys' | 'items';
type Kinds = Partial<Record<Kind, string[]>>;

/** Ids, keys and patterns are hashed, since readers of the store must not see them: only equality matters. */
function hashedKinds(scope: Scope): Kinds {
  const { families = [], keys = [], matches = [] } = 'families' in scope ? scope : {};
  const items = (itemsOf(scope) ?? []).map(itemName);
  const named = { projects: projectsOf(scope), families, matches, keys, items };
  const given = Object.entries(named).filter(([, entries]) => entries.length > 0);
  return Object.fromEntries(
    given.map(([kind, entries]) => [kind, entries.map((entry) => (kind === 'families' ? entry : projectLabel(entry)))]),
  );
}

/** The scope for versions that know only these two: all of one project, or everything. */
function legacyScope(scope: Scope): Unfinished['scope'] {
  const [project, ...more] = projectsOf(scope);
  return project === undefined || more.length > 0 ? { all: true } : { project: projectLabel(project) };
}

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

/** Whether a restore may have changed the target. */
export function hasWritten({ phase }: Pick<RunRecord, 'phase'>): boolean {
  return WRITTEN.has(phase);
}

/** For restores of older versions, which took no snapshot of an empty target. */
export const EMPTY = 'empty the target: it was empty before';
export const SKIPPED = 'not possible: the previous state was not saved (--no-safety)';

interface Ports extends MarkStores {
  readonly redisOf: (target: string | null) => RedisPort;
}

/**
 * Describes what an interrupted restore leaves behind: a partly restored database, and the commands that finish and undo the
 * restore. Null if it has written nothing, or its mark is removed because the data were proven.
 */
export async function describeRemains(ports: Ports, run: RunRecord): Promise<string | null> {
  const input = inputOf(run);
  if (input.dryRun || !hasWritten(run)) return null;
  const marks = await marksOf(ports, sourceOf(ports.redisOf(input.target).host));
  const mark = marks.find((each) => each.run === run.id);
  if (mark === undefined) return null;
  const { undo } = parseRestoreCheckpoint(run.checkpoint);
  const back = isId(undo ?? '')
    ? `\`${restoreCommand(undo ?? '', input, ports.firstStore !== undefined)}\``
    : undo === 'skipped'
      ? SKIPPED
      : EMPTY;
  return interruptedText(run, mark.hint ?? null, back);
}

/** `finish`: the command that finishes the restore, as text; `undo`: the command that undoes it, or why there is none. */
export function interruptedText(
  run: Pick<RunRecord, 'phase' | 'progress'>,
  finish: string | null,
  undo: string,
): string {
  return [
    `The restore was interrupted while writing${progressText(run)}: the data are partly old and partly restored, and no new snapshot of the database becomes \`latest\` until the restore is finished or undone.`,
    ...(finish === null ? [] : [`To finish, run the same restore again: ${finish}.`]),
    `To undo it: ${undo}.`,
  ].join(' ');
}

function progressText({ phase, progress: { done, total } }: Pick<RunRecord, 'phase' | 'progress'>): string {
  return phase === 'write' && total !== null ? ` (${done} of ${total} parts were written completely)` : '';
}
