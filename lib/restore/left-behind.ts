import type { RedisPort } from '../ports/redis.js';
import { isId } from '../runs/ids.js';
import type { RunRecord } from '../runs/model.js';
import { sourceOf } from '../snapshot/source.js';
import { marksOf, type MarkStores } from '../snapshot/unfinished-marks.js';
import { inputOf, parseRestoreCheckpoint } from './checkpoint.js';
import { restoreCommand } from './undo-command.js';

/** Phases of a restore in which the target is not as it was. */
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

/** Whether a restore has come as far as to change anything. */
export function hasWritten({ phase }: Pick<RunRecord, 'phase'>): boolean {
  return WRITTEN.has(phase);
}

/** A restore of an older version, which took no snapshot of an empty target. */
export const EMPTY = 'empty the target: there was nothing in it before';
export const SKIPPED = 'none: what was there was not saved (--no-safety)';

interface Ports extends MarkStores {
  readonly redisOf: (target: string | null) => RedisPort;
}

/**
 * What a restore that breaks off leaves: a database that is half restored, the command that finishes it and the one that undoes it. Null
 * where it has not written, or its mark is over: then the data were proven.
 */
export async function leftBehind(ports: Ports, run: RunRecord): Promise<string | null> {
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
  return brokenOffWords(run, mark.hint ?? null, back);
}

/** `finish`: the command that finishes it, as it is shown; `undo`: the one that undoes it, or why there is none. */
export function brokenOffWords(
  run: Pick<RunRecord, 'phase' | 'progress'>,
  finish: string | null,
  undo: string,
): string {
  return [
    `It broke off while it was writing${howFar(run)}: the data are partly old and partly restored, and until that ends no snapshot of the database is \`latest\`.`,
    ...(finish === null ? [] : [`To finish, start the same restore again: ${finish}.`]),
    `To undo it: ${undo}.`,
  ].join(' ');
}

function howFar({ phase, progress: { done, total } }: Pick<RunRecord, 'phase' | 'progress'>): string {
  return phase === 'write' && total !== null ? ` (${done} of ${total} parts were written whole)` : '';
}
