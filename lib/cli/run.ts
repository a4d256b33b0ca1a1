import { connect } from '../connect.js';
import { isOver } from '../runs/ending.js';
import type { RunRecord } from '../runs/model.js';
import { viewRun } from '../runs/live.js';
import { errorOfRun } from './carry-out.js';
import type { Context } from './context.js';
import { phaseName } from './output/phases.js';
import { progressView } from './output/progress.js';
import { facts } from './output/table.js';
import { reportOf } from './reindex/result.js';
import { reportText } from './reindex/view.js';
import { finish } from './restore/ending.js';
import { reportView } from './restore/report-view.js';
import { restoredResult } from './restore/result.js';
import { undoOf } from './restore/undo.js';

const LOOK_MS = 1_000;

/** `run`: how far a run is, or how it ended; with --watch followed to its end. */
export async function run(context: Context, id: string, options: { watch?: boolean }): Promise<number> {
  const { clock, store } = connect(context.env, ['clock', 'store']);
  const view = progressView(context, () => clock.now());
  let record = await viewRun(store, id);
  try {
    while (options.watch === true && !isOver(record) && !context.interrupt.aborted) {
      view.update(record);
      await clock.sleep(LOOK_MS, context.interrupt);
      record = await viewRun(store, id);
    }
  } finally {
    view.stop();
  }
  context.print(facts(overview(record)));
  const restored = restoredResult(record.result);
  if (restored !== null) context.print(`\n${reportView(restored, await undoOf(store, record))}`);
  const indexed = reportOf(record.result);
  if (indexed !== null) context.print(`\n${reportText(indexed)}`);
  return finish(context, record, isOver(record) ? errorOfRun(record) : null);
}

function overview(record: RunRecord): [string, string][] {
  const { id, kind, state, progress, resumeAt, createdAt, updatedAt, finishedAt } = record;
  const of = progress.total === null ? '' : ` of ${progress.total}`;
  return [
    ['run', `${id}, a ${kind}`],
    ['state', state === 'waiting' ? `waiting until ${resumeAt ?? '?'}` : state],
    ['phase', phaseName(record)],
    ['progress', `${progress.done}${of} ${progress.unit}`],
    ['started', createdAt],
    ['last change', finishedAt ?? updatedAt],
  ];
}
