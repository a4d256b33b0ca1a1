import { doingOf, type RunRecord, isOver } from '../../runs/model.js';
import { SingleBar } from 'cli-progress';
import { traitsOf } from '../../run-kinds.js';
import type { Context } from '../context.js';
import { bytes, count, duration } from '../../formats.js';
import { printable } from './text.js';
import { runSummary, type RunSummary } from '../../runs/summary.js';
import { table } from './table.js';

/** The width of most phase descriptions, so that the bar does not move. */
const WIDTH = 30;

/** The description of a run's phase, padded to a column. */
export function paddedDoing(run: Pick<RunRecord, 'doing' | 'phase'>): string {
  return doingOf(run).padEnd(WIDTH);
}

/** Until when a run waits, and why: `waits until 2026-11-22 08:00 UTC: ...`. */
export function waitingWords({ error, resumeAt }: Pick<RunRecord, 'error' | 'resumeAt'>): string {
  const until = resumeAt === null ? 'a while' : `until ${resumeAt.slice(0, 16).replace('T', ' ')} UTC`;
  return error === null ? `waits ${until}` : `waits ${until}: ${error.message}`;
}

/** The warning about a run without progress for a minute: what is known, and what to do. */
export function silenceWords({ attempts, id, lastError, nextAttemptAt }: RunRecord): string {
  const what =
    attempts === 0
      ? `run ${id} has not started for a minute: no message of the queue has arrived, or the functions do not accept the run, as after a change of BACKUP_SIGNING_KEY that was not deployed`
      : `run ${id} has made no progress for a minute`;
  const why = lastError === null ? '' : `; its last error, at ${lastError.at}: ${lastError.code}: ${lastError.message}`;
  const next = nextAttemptAt === null ? '' : `; the next attempt begins at ${nextAttemptAt} at the latest`;
  const remedy =
    '`npx soulcaster-backup doctor --env-file .env` checks whether the queue reaches PUBLIC_URL, and `npx soulcaster-backup deploy --env-file .env` sets the keys of the functions';
  return `warning: ${what}${why}${next}. ${remedy}; \`npx soulcaster-backup cancel ${id} --env-file .env\` ends the run.`;
}

/** Shows the progress of a run. */
interface ProgressView {
  update(run: RunRecord): void;
  /** Removes the bar from the terminal. */
  stop(): void;
}

const LINE_INTERVAL_MS = 3_000;
/** The time, in milliseconds, after which a rate is meaningful. */
const RATE_AFTER_MS = 500;

/** A bar on a terminal; elsewhere a line every few seconds. */
export function progressView(context: Pick<Context, 'onTerminal' | 'note'>, now: () => number): ProgressView {
  return context.onTerminal ? createBar(now) : createLines(context, now);
}

function createBar(now: () => number): ProgressView {
  const view = new SingleBar({
    format: '{phase} [{bar}] {percentage}%  {text}',
    stream: process.stderr,
    barsize: 24,
    barCompleteChar: '#',
    barIncompleteChar: '.',
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
  });
  const describe = createDescriber(now);
  let phase = '';
  return {
    update(run) {
      const total = run.progress.total ?? 0;
      const payload = { phase: printable(paddedDoing(run)), text: printable(describe(run)) };
      if (phase === '') view.start(Math.max(total, 1), 0, payload);
      phase = run.phase;
      view.setTotal(Math.max(total, run.progress.done, 1));
      view.update(run.progress.done, payload);
    },
    stop: () => view.stop(),
  };
}

function createLines({ note }: Pick<Context, 'note'>, now: () => number): ProgressView {
  const describe = createDescriber(now);
  let phase = '';
  let printedAt = 0;
  return {
    update(run) {
      const text = describe(run);
      if (run.phase === phase && now() - printedAt < LINE_INTERVAL_MS) return;
      phase = run.phase;
      printedAt = now();
      note([doingOf(run), text].filter((words) => words !== '').join(': '));
    },
    stop: () => undefined,
  };
}

/** Describes progress. Rate and remaining time count from the first record of the phase. */
function createDescriber(now: () => number): (run: RunRecord) => string {
  let phase = '';
  let first = { done: 0, bytes: 0, at: 0 };
  return (run) => {
    const { done, total, unit, bytes: size } = run.progress;
    const { countsBytes = false } = traitsOf(run.kind);
    if (run.phase !== phase) first = { done, bytes: size, at: now() };
    phase = run.phase;
    const of = total === null ? '' : ` of ${count(total)}`;
    // Phases with a single step have nothing to count.
    if (!countsBytes && done === 0 && total === null) return '';
    const words = [`${count(done)}${of} ${unit}`];
    if (size > 0 || countsBytes) words.push(bytes(size));
    const ms = now() - first.at;
    const rate = ms < RATE_AFTER_MS ? 0 : ((done - first.done) * 1000) / ms;
    if (rate > 0) words.push(`${count(Math.round(rate))} ${unit}/s`);
    if (rate > 0 && total !== null && total > done)
      words.push(`about ${duration(((total - done) / rate) * 1000)} left`);
    return words.join(', ');
  };
}

/** A run as rows of name and value. */
export function runRows(record: RunRecord): [string, string | null][] {
  const run = runSummary(record);
  const { asked, attempts, createdAt, doing, lastError, nextAttemptAt, progressedAt, trigger } = run;
  return [
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
