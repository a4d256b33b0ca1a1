import { clearLine, cursorTo } from 'node:readline';
import { traitsOf } from '../../run-kinds.js';
import { doingOf, type RunRecord } from '../../runs/model.js';
import type { Context } from '../context.js';
import { bytes, count, duration } from './format.js';
import { printable } from './redact.js';
import { paddedDoing } from './phases.js';

/** Shows how far a run has come. */
export interface ProgressView {
  update(run: RunRecord): void;
  /** Takes the bar off the terminal. */
  stop(): void;
}

const LINE_INTERVAL_MS = 3_000;
/** A rate over less time than this, in milliseconds, says nothing. */
const RATE_AFTER_MS = 500;
const DRAW_INTERVAL_MS = 100;
const BAR_WIDTH = 24;

/** A bar on a terminal; elsewhere a line every few seconds. */
export function progressView(context: Pick<Context, 'onTerminal' | 'note'>, now: () => number): ProgressView {
  return context.onTerminal ? bar(now) : lines(context, now);
}

function bar(now: () => number): ProgressView {
  const { stderr } = process;
  const describe = describer(now);
  let drawnAt = Number.NEGATIVE_INFINITY;
  let phase = '';
  const clear = (): void => {
    clearLine(stderr, 0);
    cursorTo(stderr, 0);
  };
  return {
    update(run) {
      const text = describe(run);
      if (run.phase === phase && now() - drawnAt < DRAW_INTERVAL_MS) return;
      phase = run.phase;
      drawnAt = now();
      const { done, total } = run.progress;
      const share = done / Math.max(total ?? 0, done, 1);
      const full = '#'.repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, '.');
      const line = printable(`${paddedDoing(run)} [${full}] ${Math.floor(share * 100)}%  ${text}`);
      clear();
      // A line that is wider than the terminal could not be cleared.
      stderr.write(line.slice(0, (stderr.columns || 80) - 1));
    },
    stop: clear,
  };
}

function lines({ note }: Pick<Context, 'note'>, now: () => number): ProgressView {
  const describe = describer(now);
  let phase = '';
  let toldAt = 0;
  return {
    update(run) {
      const text = describe(run);
      if (run.phase === phase && now() - toldAt < LINE_INTERVAL_MS) return;
      phase = run.phase;
      toldAt = now();
      note([doingOf(run), text].filter((words) => words !== '').join(': '));
    },
    stop: () => undefined,
  };
}

/** Words for a progress: rate and time left count from the first record that was seen of the phase. */
function describer(now: () => number): (run: RunRecord) => string {
  let phase = '';
  let first = { done: 0, bytes: 0, at: 0 };
  return (run) => {
    const { done, total, unit, bytes: size } = run.progress;
    const { countsBytes = false } = traitsOf(run.kind);
    if (run.phase !== phase) first = { done, bytes: size, at: now() };
    phase = run.phase;
    const of = total === null ? '' : ` of ${count(total)}`;
    // Steps that only look, or do one thing, have nothing to count.
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
