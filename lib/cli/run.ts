import { connect } from '../connect.js';
import { HIDDEN_WORDS } from '../control/hidden.js';
import { drillSchema } from '../restore/drill/record.js';
import { isOver } from '../runs/ending.js';
import { viewRun } from '../runs/live.js';
import type { RunRecord } from '../runs/model.js';
import { errorOfRun } from './carry-out.js';
import type { Context } from './context.js';
import { count } from './output/format.js';
import { phaseName, waitingWords } from './output/phases.js';
import { facts } from './output/table.js';
import { planOf, reportOf } from './reindex/result.js';
import { planText, reportText } from './reindex/view.js';
import { finish } from './restore/ending.js';
import { planView } from './restore/plan-view.js';
import { reportView } from './restore/report-view.js';
import { dryRunResult, openResult, restoredResult } from './restore/result.js';
import { undoOf, type Undo } from './restore/undo.js';
import { follow } from './run/follow.js';

/** `run`: how far a run of any kind is, or how it ended; with --watch followed to its end. */
export async function run(context: Context, id: string, options: { readonly watch?: boolean }): Promise<number> {
  const ports = connect(context.env, ['clock', 'sealer', 'store'], { log: context.log });
  const found = await (options.watch === true ? follow(context, ports, id) : viewRun(ports.store, id));
  const record = { ...found, result: await openResult(context.env, ports.sealer, found.result) };
  const undo = restoredResult(record.result) === null ? null : await undoOf(ports.store, record);
  context.print([facts(overview(record)), ...outcome(record, undo)].join('\n\n'));
  const { kind, phase, progress, resumeAt, createdAt, updatedAt, finishedAt } = record;
  const waitsFor = isOver(record) ? null : record.error;
  const times = { createdAt, updatedAt, finishedAt };
  const hidden = record.hidden === true ? { details: HIDDEN_WORDS } : {};
  const more = { kind, phase, progress, resumeAt, waitsFor, ...hidden, ...times };
  // What a run waits for is no error: it goes on by itself.
  return finish(context, record, isOver(record) ? errorOfRun(record) : null, more);
}

const HIDDEN_HINT = 'that of BACKUP_SIGNING_KEY or, without one, of UPSTASH_REDIS_REST_TOKEN where it ran';

function overview(record: RunRecord): [string, string][] {
  const { id, kind, state, progress, createdAt, updatedAt, finishedAt, hidden } = record;
  const of = progress.total === null ? '' : ` of ${count(progress.total)}`;
  return [
    ['run', `${id}, a ${kind}`],
    ['state', state === 'waiting' ? waitingWords(record) : state],
    ['phase', phaseName(record)],
    ['progress', `${count(progress.done)}${of} ${progress.unit}`],
    ['started', createdAt],
    ['last change', finishedAt ?? updatedAt],
    ...(hidden === true ? [['details', `${HIDDEN_WORDS}: ${HIDDEN_HINT}`] satisfies [string, string]] : []),
  ];
}

/** What came of a run, in the words of the command that starts such runs; nothing while it is under way. */
function outcome({ id, kind, result, state }: RunRecord, undo: Undo | null): string[] {
  const restored = restoredResult(result);
  if (restored !== null) return [reportView(restored, undo)];
  const planned = dryRunResult(result);
  if (planned?.dryRun === true) return [planView(planned)];
  const reindexed = reportOf(result);
  if (reindexed !== null) return [reportText(reindexed)];
  const toReindex = planOf(result);
  if (toReindex !== null) return [planText(toReindex)];
  const drill = drillSchema.safeParse(result).data;
  if (drill !== undefined) return [`The drill ${drill.outcome}${drill.reason === null ? '.' : `: ${drill.reason}`}`];
  return kind === 'snapshot' && state !== 'failed' && result !== null
    ? [`\`soulcaster-backup show ${id}\` tells what is in the snapshot.`]
    : [];
}
