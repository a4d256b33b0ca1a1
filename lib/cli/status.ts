import { deploymentOf, type Deployment } from '../app/connect/database.js';
import type { Answer } from '../monitoring/status/answers.js';
import { statusReport, type StatusReport } from '../monitoring/status/report.js';
import { drills } from '../restore/drill/record.js';
import { liveServices, connectProjects } from '../app/live-services.js';
import { alertRules } from '../app/settings.js';
import { recipeWords } from '../soulcaster/index-models.js';
import { openTrust } from './trust.js';
import type { Context } from './context.js';
import { bytes, count, duration } from '../formats.js';
import { printable } from '../snapshot/ledger.js';
import { runTable } from './output/runs.js';
import { facts, table } from './output/table.js';
import { connect } from '../app/connect.js';
import { projectFigures, type ProjectFigures, type ProjectRow } from '../monitoring/projects.js';

const HOUR_MS = 3_600_000;
const SHOWN_RUNS = 8;

/** `status`: the four answers and the figures behind them. Exit 1 unless all four are ok. */
export async function status(context: Context): Promise<number> {
  const trust = await openTrust(context);
  const rules = alertRules(context.env);
  const report = await statusReport(trust, () => drills(trust.store, trust.own), rules, liveServices(context.env));
  const deployment = deploymentOf(context.env);
  context.print(statusText(report, deployment));
  context.document({ ...report, deployment });
  return report.state === 'ok' ? 0 : 1;
}

function databaseWords({ database, label, store }: Deployment): string {
  const name = database ?? 'none configured here';
  return `${name}${label === null ? '' : ` (${printable(label)})`}, snapshots in ${store ?? ''}`;
}

function unfinishedWords({ unfinished }: StatusReport): [string, string][] {
  return unfinished.map(({ kind, run, since, underWay }) => [
    underWay ? 'under way' : 'UNFINISHED',
    `${kind} ${run}, begun at ${since}`,
  ]);
}

/** Each answer in one line, with the reasons why it is not ok. */
function answerRows({ recoverable, recoveryTime, services, watched }: StatusReport): [string, string][] {
  const answers: [string, Answer][] = [
    ['recoverable', recoverable],
    ['in time', recoveryTime],
    ['watched', watched],
    ['services', services],
  ];
  return answers.map(([name, { by, checkedAt, reasons, since, state }]) => {
    const checked = checkedAt === null ? 'never checked' : `checked ${checkedAt}${by === null ? '' : ` by ${by}`}`;
    const why = reasons.length === 0 ? '' : `: ${printable(reasons.join('; '))}`;
    return [name, `${STATE_WORDS[state]}, since ${since}, ${checked}${why}`];
  });
}

const STATE_WORDS = { ok: 'ok', 'not-ok': 'NOT OK', unknown: 'NOT KNOWN' } as const;

function statusText(report: StatusReport, deployment: Deployment): string {
  const { storage } = report;
  const parts = [
    facts([
      ['database', databaseWords(deployment)],
      ['state', report.state],
      ...answerRows(report),
      ...unfinishedWords(report),
      ['recovery point', pointWords(report)],
      ['recovery time', timeWords(report)],
      ['last drill', drillWords(report)],
      ['next drill', nextDrillWords(report)],
      ['not saved', report.unsaved?.words == null ? null : `${report.unsaved.words} (${report.unsaved.snapshot})`],
      ...indexRows(report),
      ['storage', `${count(storage.snapshots)} snapshots, ${bytes(storage.storedBytes)}${storageFlaws(storage)}`],
      [
        'guard',
        report.guard.lastRunAt === null
          ? 'has not run yet'
          : `last run ${report.guard.lastRunAt}: ${report.guard.outcome ?? 'not known'}`,
      ],
      ['alerts', report.alerts.length === 0 ? 'none' : String(report.alerts.length)],
    ]),
    ...report.alerts.map(({ code, message, hint, since }) => `ALERT ${code}, since ${since}: ${message}\n  -> ${hint}`),
  ];
  if (report.runs.length > 0) parts.push(runTable(report.runs.slice(0, SHOWN_RUNS)));
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

function timeWords({ recoveryTime: time }: StatusReport): string {
  const { lastPassed, met, objectiveHours, projectedMilliseconds, projectedProvenMilliseconds: proven } = time;
  if (projectedMilliseconds === null || lastPassed === null) return 'not known: no drill has passed yet';
  const within = met === true ? 'within' : 'OVER';
  const measured =
    lastPassed.milliseconds === null
      ? ''
      : ` (measured: ${duration(lastPassed.milliseconds)} for ${count(lastPassed.keys)} keys)`;
  const proof = proven === null ? '' : `; ${duration(proven)} until it is proven`;
  return `${duration(projectedMilliseconds)} until all is written at today's size, ${within} the objective of ${objectiveHours} h${proof}${measured}`;
}

function drillWords({ recoveryTime: { lastDrill } }: StatusReport): string {
  if (lastDrill === null) return 'none';
  const { finishedAt, outcome, reason } = lastDrill;
  return `${outcome}${finishedAt === null ? '' : ` ${finishedAt}`}${reason === null ? '' : `: ${reason}`}`;
}

function nextDrillWords({ recoveryTime: { drillDueAt, drilledBy } }: StatusReport): string | null {
  if (drilledBy === null) return null;
  const by =
    drilledBy === 'guard'
      ? 'started by the guard'
      : 'to be started by you, on a machine with the age identity, which the functions do not have: npx soulcaster-backup drill --local --env-file .env';
  return `${drillDueAt === null ? 'due now' : `due ${drillDueAt}`}, ${by}`;
}

const SHOWN_NAMESPACES = 10;

/** One row for each model, with the projects whose vectors it produced. */
function indexRows({ index }: StatusReport): [string, string][] {
  if (index === null) return [];
  const { beside, configured, namespaces, suffix } = index;
  const rows = [...new Set(namespaces.map(recipeWords))].map((words): [string, string] => {
    const some = namespaces.filter((one) => recipeWords(one) === words);
    const names = some.slice(0, SHOWN_NAMESPACES).map(({ project }) => printable(`${project}${suffix}`));
    const more = some.length > names.length ? ` and ${some.length - names.length} more` : '';
    const dates = some.map(({ provenAt }) => provenAt);
    const proven = dates.includes(null) ? 'not all proven' : `proven since ${dates.sort()[0] ?? ''}`;
    const is = words === recipeWords(configured) ? '' : 'ANOTHER MODEL than is configured: ';
    return ['vectors', `${is}${words}, ${proven}: ${names.join(', ')}${more}`];
  });
  if (rows.length === 0) rows.push(['vectors', `no re-index is proven yet; configured is ${recipeWords(configured)}`]);
  for (const one of beside) rows.push(['built beside', `${recipeWords(one)}, suffix ${JSON.stringify(one.suffix)}`]);
  return rows;
}

function storageFlaws({ damaged, incomplete, states }: StatusReport['storage']): string {
  const { doubtful, foreign, future, unverified, untrusted } = states;
  const others = Object.entries({ doubtful, foreign, future, unverified, untrusted });
  const found = others.filter(([, number]) => number > 0).map(([state, number]) => `, ${number} ${state}`);
  return `${incomplete > 0 ? `, ${incomplete} incomplete` : ''}${damaged > 0 ? `, ${damaged} DAMAGED` : ''}${found.join('')}`;
}

/** `status --projects`: what is saved and what is searchable of each project. Exit 1 when a service does not answer. */
export async function showProjects(context: Context): Promise<number> {
  const { env } = context;
  const ports = connect(env, ['clock', 'log', 'signer', 'store'], { log: context.log });
  const figures = await projectFigures(connectProjects(env, ports));
  context.print([...headLines(figures), projectsTable(figures)].join('\n'));
  context.document({ ...figures, deployment: deploymentOf(env) });
  return [figures.store, figures.redis, figures.vectors].includes('unavailable') ? 1 : 0;
}

function headLines({ redis, snapshot, store, vectors }: ProjectFigures): string[] {
  const unknown = [
    store === 'unavailable' ? 'The store does not answer: what is saved is not known.' : null,
    redis === 'unavailable' ? 'The database does not answer: items are not known.' : null,
    vectors === 'unavailable' ? 'The vector index does not answer: vectors are not known.' : null,
    redis === 'partly' ? 'The database has more keys than were scanned: a newer project may be missing.' : null,
  ];
  const basis = snapshot === null ? [] : [`Keys are counted in snapshot ${snapshot}.`];
  return [...basis, ...unknown.filter((words) => words !== null)];
}

function projectsTable({ projects: rows }: ProjectFigures): string {
  if (rows.length === 0) return 'No project is known.';
  const number = (value: number | null): string => (value === null ? 'not known' : count(value));
  const cells = ({ items, keys, pending, project, vectors }: ProjectRow): string[] => {
    const waiting = (pending ?? 0) > 0 ? ` (${count(pending ?? 0)} pending)` : '';
    return [printable(project), keys === 0 ? 'not saved' : number(keys), number(items), `${number(vectors)}${waiting}`];
  };
  return table(['project', 'keys saved', 'items', 'vectors'], rows.map(cells), [1, 2, 3]);
}
