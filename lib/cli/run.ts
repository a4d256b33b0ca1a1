import { connect } from '../app/connect.js';
import { deploymentOf } from '../app/connect/database.js';
import { HIDDEN_WORDS } from '../control/encryption.js';
import { drillSchema } from '../restore/drill/record.js';
import { traitsOf } from '../run-kinds.js';
import { isOver, type RunRecord, type RunState } from '../runs/model.js';
import { viewRun, runSummary } from '../runs/summary.js';
import { pageOfRuns } from '../runs/recent.js';
import { fieldsOf } from '../runs/traits.js';
import { errorOfRun, follow, finishCommand } from './carry-out.js';
import type { Context } from './context.js';
import { runRows, runTable } from './output/runs.js';
import { facts } from './output/table.js';
import { planOf, reportOf, planText, reportText } from './reindex/view.js';
import { openResult, undoOf, type Undo, removedSince } from './restore/ending.js';
import { planView } from './restore/plan-view.js';
import { reportView } from './restore/report-view.js';
import { dryRunResult, restoredResult } from '../restore/result.js';
import { storeEnvironment } from '../app/connect/stores.js';

const PAGE_SIZE = 20;

export interface RunsOptions {
  readonly kind?: string;
  readonly state?: RunState;
  readonly project?: string;
  readonly before?: string;
  readonly replica?: boolean;
}

/** `run` without an id: lists the runs that match, newest first. */
export async function listRuns(context: Context, options: RunsOptions): Promise<number> {
  const { store } = connect(storeEnvironment(context.env, options.replica), ['store'], { log: context.log });
  const { before = null, kind, project, state } = options;
  const { next, runs: found } = await pageOfRuns(store, {
    kinds: kind === undefined ? [] : [kind],
    states: state === undefined ? [] : [state],
    projects: project === undefined ? [] : [project],
    before,
    limit: PAGE_SIZE,
  });
  const isAll = [before, kind, project, state].every((option) => option == null);
  const nothing = isAll ? 'No run has been started yet.' : 'No stored run matches.';
  context.print(found.length === 0 ? nothing : runTable(found.map(runSummary)));
  if (next !== null) context.print(`There are older runs; the same command with --before ${next} lists them.`);
  context.document({ runs: found.map(runSummary), next, deployment: deploymentOf(context.env) });
  return 0;
}

/** `run`: shows the progress or result of a run; with --watch, follows it to its end. */
export async function showRun(
  context: Context,
  id: string,
  options: { readonly watch?: boolean; readonly replica?: boolean },
): Promise<number> {
  const replica = options.replica === true;
  const ports = connect(storeEnvironment(context.env, replica), ['clock', 'encryptor', 'signer', 'store'], {
    log: context.log,
  });
  const found = await (options.watch === true ? follow(context, ports, id) : viewRun(ports.store, id));
  const record = { ...found, result: await openResult(context.env, ports.encryptor, found.result) };
  const undo = restoredResult(record.result) === null ? null : await undoOf(ports.store, record, replica, ports.signer);
  const gone = undo === null && isOver(record) ? await removedSince(ports, record) : [];
  context.print(
    [
      facts([...runRows(record), ['details', record.hidden === true ? `${HIDDEN_WORDS}: ${HIDDEN_HINT}` : null]]),
      ...outcomeText(record, undo),
      ...gone,
    ].join('\n\n'),
  );
  const summary = runSummary(record);
  const waitsFor = isOver(record) ? null : record.error;
  const hidden = record.hidden === true ? { details: HIDDEN_WORDS } : {};
  const removed = undo?.removed === undefined ? {} : { undoRemoved: undo.removed ?? { at: null, reasons: [] } };
  const more = { ...summary, resumeAt: record.resumeAt, waitsFor, ...removed, ...hidden };
  // The error of an unfinished run is what it waits for: it continues by itself.
  return finishCommand(context, record, isOver(record) ? errorOfRun(record) : null, more);
}

const HIDDEN_HINT =
  'the key is BACKUP_SIGNING_KEY or, without one, UPSTASH_REDIS_REST_TOKEN of the deployment that ran it';

/** The result of a run, as the command that starts such runs prints it, or its figures; empty while it is unfinished. */
function outcomeText({ id, kind, result, state }: RunRecord, undo: Undo | null): string[] {
  const restored = restoredResult(result);
  if (restored !== null) return [reportView(restored, undo)];
  const planned = dryRunResult(result);
  if (planned?.dryRun === true) return [planView(planned)];
  const reindexed = reportOf(result);
  if (reindexed !== null) return [reportText(reindexed, state)];
  const toReindex = planOf(result);
  if (toReindex !== null) return [planText(toReindex)];
  const drill = drillSchema.safeParse(result).data;
  if (drill !== undefined) return [`The drill ${drill.outcome}${drill.reason === null ? '.' : `: ${drill.reason}`}`];
  if (kind === 'snapshot' && state !== 'failed' && result !== null)
    return [`\`npx soulcaster-backup show ${id} --env-file .env\` shows the contents of the snapshot.`];
  const figures = traitsOf(kind).figures(fieldsOf(result));
  return figures.length === 0 ? [] : [facts(figures)];
}
