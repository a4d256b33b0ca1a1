import { traitsOf } from '../../run-kinds.js';
import { isOver, type RunRecord } from '../../runs/model.js';
import { runSummary, type RunSummary } from '../../runs/summary.js';
import { count, duration } from './format.js';
import { waitingWords } from './phases.js';
import { table } from './table.js';

/** A run as rows of name and value. */
export function runRows(record: RunRecord): [string, string][] {
  const run = runSummary(record);
  const { asked, attempts, createdAt, doing, lastError, nextAttemptAt, progressedAt, trigger } = run;
  const rows: [string, string | null][] = [
    ['run', `${run.runId}, a ${traitsOf(run.kind).title}`],
    ['asked for', asked === '' ? null : asked],
    ['by', trigger],
    ['state', record.state === 'waiting' ? waitingWords(record) : record.state],
    ['phase', doing],
    ['progress', `${progressWords(run)}${progressedAt === null ? '' : `, last at ${progressedAt}`}`],
    ['attempts', attempts === 0 ? noAttempt(run) : String(attempts)],
    ['last error', lastError === null ? null : `${lastError.code} at ${lastError.at}: ${lastError.message}`],
    ['next attempt', nextAttemptAt === null ? null : `at ${nextAttemptAt} at the latest`],
    ['started', createdAt],
    ['last change', run.finishedAt ?? run.updatedAt],
  ];
  return rows.flatMap(([name, words]) => (words === null ? [] : [[name, words]]));
}

/** Runs as a table, one per line. */
export function runTable(runs: readonly RunSummary[]): string {
  const rows = runs.map((run) => [
    run.runId,
    run.title,
    isOver(run) ? run.state : `${run.state}: ${run.doing}`,
    isOver(run) ? tookWords(run) : progressWords(run),
    run.trigger ?? '',
    run.attempts === 0 ? '' : String(run.attempts),
    lastErrorWords(run),
  ]);
  return table(['run', 'what', 'state', 'progress', 'by', 'attempts', 'last error'], rows, [5]);
}

function progressWords({ progress: { done, total, unit } }: Pick<RunSummary, 'progress'>): string {
  return `${count(done)}${total === null ? '' : ` of ${count(total)}`} ${unit}`;
}

function tookWords({ createdAt, finishedAt }: RunSummary): string {
  return finishedAt === null ? '' : `took ${duration(Math.max(0, Date.parse(finishedAt) - Date.parse(createdAt)))}`;
}

function noAttempt(run: RunSummary): string | null {
  // Records of older versions do not count attempts.
  return isOver(run) || run.progressedAt !== null ? null : 'none yet: no attempt has started';
}

function lastErrorWords(run: RunSummary): string {
  if (run.error !== null && isOver(run)) return run.error.code;
  return run.lastError === null || isOver(run) ? '' : `${run.lastError.code}, ${run.lastError.at}`;
}
