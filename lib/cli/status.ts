import { connect } from '../connect.js';
import { statusReport, type StatusReport } from '../guard/status/report.js';
import { drills } from '../restore/drill/record.js';
import type { Context } from './context.js';
import { bytes, count, duration } from './output/format.js';
import { facts, table } from './output/table.js';

const HOUR_MS = 3_600_000;
const SHOWN_RUNS = 8;

/** `status`: whether the objectives are met, and by how much. Exit 1 when one is breached. */
export async function status(context: Context): Promise<number> {
  const { clock, store } = connect(context.env, ['clock', 'store']);
  const report = await statusReport({ clock, store }, () => drills(store));
  context.print(view(report));
  context.document(report);
  return report.state === 'ok' ? 0 : 1;
}

function view(report: StatusReport): string {
  const { storage } = report;
  const parts = [
    facts([
      ['state', report.state],
      ['recovery point', pointWords(report)],
      ['recovery time', timeWords(report)],
      ['last drill', drillWords(report)],
      ['storage', `${count(storage.snapshots)} snapshots, ${bytes(storage.storedBytes)}${flaws(storage)}`],
      [
        'guard',
        report.guard.lastRunAt === null
          ? 'has not run yet'
          : `${report.guard.outcome ?? ''}, ${report.guard.lastRunAt}`,
      ],
      ['alerts', report.alerts.length === 0 ? 'none' : String(report.alerts.length)],
    ]),
    ...report.alerts.map(({ code, message, hint, since }) => `ALERT ${code}, since ${since}: ${message}\n  -> ${hint}`),
  ];
  if (report.runs.length > 0) parts.push(runTable(report));
  return parts.join('\n\n');
}

function pointWords({ recoveryPoint: { ageHours, met, newestVerified, objectiveHours } }: StatusReport): string {
  if (ageHours === null || newestVerified === null) return `BREACHED: there is no verified snapshot`;
  const age = duration(ageHours * HOUR_MS);
  const within = met ? 'within' : 'OVER';
  return `${age} old, ${within} the objective of ${objectiveHours} h (${newestVerified.id}, ${count(newestVerified.keys)} keys)`;
}

function timeWords({ recoveryTime: { lastPassed, met, objectiveHours, projectedMilliseconds } }: StatusReport): string {
  if (projectedMilliseconds === null || lastPassed === null) return 'not known: no drill has passed yet';
  const within = met === true ? 'within' : 'OVER';
  const measured =
    lastPassed.milliseconds === null
      ? ''
      : ` (measured: ${duration(lastPassed.milliseconds)} for ${count(lastPassed.keys)} keys)`;
  return `${duration(projectedMilliseconds)} at today's size, ${within} the objective of ${objectiveHours} h${measured}`;
}

function drillWords({ recoveryTime: { lastDrill } }: StatusReport): string {
  if (lastDrill === null) return 'none';
  const { finishedAt, outcome, reason } = lastDrill;
  return `${outcome}${finishedAt === null ? '' : ` ${finishedAt}`}${reason === null ? '' : `: ${reason}`}`;
}

function flaws({ damaged, incomplete }: StatusReport['storage']): string {
  return `${incomplete > 0 ? `, ${incomplete} incomplete` : ''}${damaged > 0 ? `, ${damaged} DAMAGED` : ''}`;
}

function runTable({ runs }: StatusReport): string {
  const rows = runs
    .slice(0, SHOWN_RUNS)
    .map(({ runId, kind, state, error, createdAt, finishedAt }) => [
      runId,
      kind,
      state,
      finishedAt === null ? '' : duration(Math.max(0, Date.parse(finishedAt) - Date.parse(createdAt))),
      error?.code ?? '',
    ]);
  return table(['run', 'kind', 'state', 'time', 'error'], rows);
}
