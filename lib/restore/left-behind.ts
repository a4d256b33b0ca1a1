import type { RedisPort } from '../ports/redis.js';
import { isId } from '../runs/ids.js';
import type { RunRecord } from '../runs/model.js';
import { sourceOf } from '../snapshot/source.js';
import { marksOf, type MarkStores } from '../snapshot/unfinished-marks.js';
import { inputOf, parseRestoreCheckpoint } from './checkpoint.js';
import { restoreCommand } from './undo-command.js';

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
