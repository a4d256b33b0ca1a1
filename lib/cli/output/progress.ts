import { SingleBar } from 'cli-progress';
import { traitsOf } from '../../run-kinds.js';
import { doingOf, type RunRecord } from '../../runs/model.js';
import type { Context } from '../context.js';
import { bytes, count, duration } from './format.js';
import { printable } from './redact.js';
import { paddedDoing } from './phases.js';

/** Shows the progress of a run. */
export interface ProgressView {
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
