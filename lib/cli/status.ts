import { deploymentOf, type Deployment } from '../connect/deployment.js';
import { statusReport, type StatusReport } from '../guard/status/report.js';
import { drills } from '../restore/drill/record.js';
import { alertRules } from '../settings.js';
import { connectedTrust } from './trust.js';
import type { Context } from './context.js';
import { bytes, count, duration, printable } from './output/format.js';
import { facts, table } from './output/table.js';

const HOUR_MS = 3_600_000;
const SHOWN_RUNS = 8;

/** `status`: whether the objectives are met, and by how much. Exit 1 when one is breached. */
export async function status(context: Context): Promise<number> {
  const trust = await connectedTrust(context);
  const report = await statusReport(trust, () => drills(trust.store), alertRules(context.env));
  const deployment = deploymentOf(context.env);
  context.print(view(report, deployment));
  context.document({ ...report, deployment });
  return report.state === 'ok' ? 0 : 1;
}

function databaseWords({ database, label, store }: Deployment): string {
  const name = database ?? 'none is configured here';
  return `${name}${label === null ? '' : ` (${printable(label)})`}, snapshots in ${store ?? ''}`;
}

function unfinishedWords({ unfinished }: StatusReport): [string, string][] {
  return unfinished.map(({ kind, run, since, underWay }) => [
    underWay ? 'under way' : 'UNFINISHED',
    `${kind} ${run}, begun at ${since}`,
  ]);
}

function view(report: StatusReport, deployment: Deployment): string {
  const { storage } = report;
  const parts = [
    facts([
      ['database', databaseWords(deployment)],
      ['state', report.state],
      ...unfinishedWords(report),
      ['recovery point', pointWords(report)],
      ['recovery time', timeWords(report)],
      ['last drill', drillWords(report)],
      ...unsavedRow(report),
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

function pointWords({ recoveryPoint }: StatusReport): string {
  const { ageHours, ambiguous, met, newestVerified, objectiveHours, passedOver } = recoveryPoint;
  const but =
    passedOver.length === 0
      ? ''
      : `; newer ones do not count: ${printable(passedOver.slice(0, 3).map(passedOverText).join('; '))}`;
  if (ambiguous) return 'BREACHED: the store holds snapshots of several databases, and none is configured here';
  if (ageHours === null || newestVerified === null)
    return `BREACHED: there is no verified snapshot of this database${but}`;
  const age = duration(ageHours * HOUR_MS);
  const within = met ? 'within' : 'OVER';
  return `${age} old, ${within} the objective of ${objectiveHours} h (${newestVerified.id}, ${count(newestVerified.keys)} keys)${but}`;
}

function passedOverText({ id, reasons, state }: StatusReport['recoveryPoint']['passedOver'][number]): string {
  return `${id} is ${state}: ${reasons.join('; ')}`;
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

function unsavedRow({ unsaved }: StatusReport): [string, string][] {
  return unsaved?.words == null ? [] : [['not saved', `${unsaved.words} (${unsaved.snapshot})`]];
}

function flaws({ damaged, incomplete, states }: StatusReport['storage']): string {
  const { doubtful, foreign, future, unverified, untrusted } = states;
  const others = Object.entries({ doubtful, foreign, future, unverified, untrusted });
  const found = others.filter(([, number]) => number > 0).map(([state, number]) => `, ${number} ${state}`);
  return `${incomplete > 0 ? `, ${incomplete} incomplete` : ''}${damaged > 0 ? `, ${damaged} DAMAGED` : ''}${found.join('')}`;
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
