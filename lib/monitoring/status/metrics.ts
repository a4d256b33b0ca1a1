import { RUN_KINDS } from '../../run-kinds.js';
import { isOver } from '../../runs/model.js';
import { ANSWER_STATES, type AnswerState } from '../state.js';
import type { StatusReport } from './report.js';

/** The content type of the text format (Prometheus documentation, "Exposition formats", version 0.0.4). */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const PREFIX = 'soulcaster_backup';

type Labels = Readonly<Record<string, string>>;

/** One figure, with the labels that tell it from others of the same name. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface Metric {
  /** Without the prefix. In base units, which the name ends in. */
  readonly name: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** The status as gauges. What is not known has no sample: zero would say something else. */
export function metricsOf(status: StatusReport): Metric[] {
  const { recoveryPoint: point, recoveryTime: time, storage } = status;
  const one = (value: number | null): Sample[] => (value === null ? [] : [{ labels: {}, value }]);
  const seconds = (milliseconds: number | null): number | null => (milliseconds === null ? null : milliseconds / 1000);
  const epoch = (text: string | null | undefined): number | null => (text == null ? null : Date.parse(text) / 1000);
  const flag = (met: boolean | null): number | null => (met === null ? null : Number(met));
  return [
    ['up', 'Whether all four answers are ok.', one(Number(status.state === 'ok'))],
    ['answer', '1 for the state that each of the four answers has, 0 for the others.', answers(status)],
    [
      'answer_checked_timestamp_seconds',
      'When what an answer says was tried last, since the epoch.',
      ANSWERS.flatMap((name) =>
        one(epoch(status[name].checkedAt)).map(({ value }) => ({ labels: { answer: name }, value })),
      ),
    ],
    [
      'service',
      '1 for the state that each service was found in when it was tried last, 0 for the others.',
      status.services.items.flatMap(({ name, state }) => stateSet('service', name, state)),
    ],
    [
      'service_checked_timestamp_seconds',
      'When a service was tried last, since the epoch.',
      status.services.items.flatMap(({ checkedAt, name }) =>
        one(epoch(checkedAt)).map(({ value }) => ({ labels: { service: name }, value })),
      ),
    ],
    [
      'scheduler_call_timestamp_seconds',
      'When each scheduler called the guard last, since the epoch.',
      status.watched.schedulers.flatMap(({ lastAt, scheduler }) =>
        one(epoch(lastAt)).map(({ value }) => ({ labels: { scheduler }, value })),
      ),
    ],
    ['rpo_objective_seconds', 'So old the newest verified snapshot may be.', one(point.objectiveHours * 3600)],
    [
      'snapshot_age_seconds',
      'Age of the newest verified snapshot.',
      one(point.ageHours === null ? null : point.ageHours * 3600),
    ],
    ['rpo_met', 'Whether the recovery point objective is met.', one(Number(point.met))],
    ['snapshot_keys', 'Keys in the newest verified snapshot.', one(point.newestVerified?.keys ?? null)],
    [
      'keys_not_saved',
      'Keys that the newest backup does not have, by cause.',
      status.unsaved === null
        ? []
        : labelled('cause', {
            failed: status.unsaved.failed,
            unsupported: status.unsaved.unsupported,
            unexplained: status.unsaved.unexplained,
          }),
    ],
    ['rto_objective_seconds', 'So long it may take to have everything back.', one(time.objectiveHours * 3600)],
    [
      'restore_projected_seconds',
      'Projected time until all data are written, going by the last drill that passed.',
      one(seconds(time.projectedMilliseconds)),
    ],
    [
      'restore_proven_projected_seconds',
      'Projected time until every key is proven, going by the last drill that passed.',
      one(seconds(time.projectedProvenMilliseconds)),
    ],
    ['rto_met', 'Whether the recovery time objective is met.', one(flag(time.met))],
    [
      'drill_duration_seconds',
      'Time that the last drill that passed took.',
      one(seconds(time.lastPassed?.milliseconds ?? null)),
    ],
    [
      'drill_passed_timestamp_seconds',
      'When a drill passed last, since the epoch.',
      one(epoch(time.lastPassed?.finishedAt)),
    ],
    [
      'snapshots',
      'Snapshots in the store, by what they are worth; complete counts all that lack no key.',
      labelled('state', { complete: storage.complete, ...storage.states }),
    ],
    [
      'restores_unfinished',
      'Restores of the database that are not known to have ended well.',
      one(status.unfinished.length),
    ],
    ['stored_bytes', 'Size of all snapshots in the store.', one(storage.storedBytes)],
    ['runs_open', 'Runs that are not over, by kind.', labelled('kind', openRuns(status))],
    [
      'alert',
      '1 for each alert that is open.',
      status.alerts.map(({ code, subject }) => ({ labels: { code, subject }, value: 1 })),
    ],
    [
      'alert_sent_timestamp_seconds',
      'When an alert message was delivered last, since the epoch.',
      one(epoch(status.delivery.lastSentAt)),
    ],
    ['alerts_undelivered', 'Alerts that are due to be told and were not.', one(status.delivery.undelivered.length)],
    [
      'alert_delivery_failed_timestamp_seconds',
      'When the last alert message did not arrive, or may not have; gone once one arrived after it.',
      one(epoch(status.delivery.lastFailure?.at)),
    ],
    ['guard_run_timestamp_seconds', 'When the guard ran last, since the epoch.', one(epoch(status.guard.lastRunAt))],
  ].map(([name, help, samples]) => ({ name, help, samples }) as Metric);
}

/** Text exposition of gauges. */
export function exposition(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, help, samples }) => {
      const full = `${PREFIX}_${name}`;
      const lines = samples.map(({ labels, value }) => `${full}${labelText(labels)} ${numberText(value)}`);
      return [
        `# HELP ${full} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
        `# TYPE ${full} gauge`,
        ...lines,
      ]
        .map((line) => `${line}\n`)
        .join('');
    })
    .join('');
}

/** As Go's strconv.ParseFloat reads it. */
function numberText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** What is not known has no sample: 0 would say that there are none. */
function labelled(label: string, counts: Readonly<Record<string, number | null>>): Sample[] {
  return Object.entries(counts).flatMap(([name, value]) =>
    value === null ? [] : [{ labels: { [label]: name }, value }],
  );
}

function openRuns({ runs }: StatusReport): Record<string, number> {
  const counts = new Map(RUN_KINDS.map(({ kind }) => [kind, 0]));
  for (const run of runs.filter((each) => !isOver(each))) counts.set(run.kind, (counts.get(run.kind) ?? 0) + 1);
  return Object.fromEntries(counts);
}

const ANSWERS = ['recoverable', 'recoveryTime', 'watched', 'services'] as const;

function answers(status: StatusReport): Sample[] {
  return ANSWERS.flatMap((name) => stateSet('answer', name, status[name].state));
}

/** As OpenMetrics has state sets: a sample for each state, so that one that is over does not linger. */
function stateSet(label: string, name: string, is: AnswerState): Sample[] {
  return ANSWER_STATES.map((state) => ({ labels: { [label]: name, state }, value: Number(state === is) }));
}
