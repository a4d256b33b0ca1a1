import { RUN_KINDS } from '../../run-kinds.js';
import { isOver } from '../../runs/model.js';
import { ANSWER_STATES, type AnswerState } from '../state.js';
import { ANSWERS } from './answers.js';
import type { StatusReport } from './report.js';

/** The content type of the text format (Prometheus documentation, "Exposition formats", version 0.0.4). */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const PREFIX = 'soulcaster_backup';

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface Metric {
  /** Without the prefix; ends in the base unit. */
  readonly name: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** The status as gauges. An unknown figure has no sample: zero would be wrong. */
export function metricsOf(status: StatusReport): Metric[] {
  const { recoveryPoint: point, recoveryTime: time, storage } = status;
  const sample = (value: number | null): Sample[] => (value === null ? [] : [{ labels: {}, value }]);
  const seconds = (milliseconds: number | null): number | null => (milliseconds === null ? null : milliseconds / 1000);
  const epoch = (text: string | null | undefined): number | null => (text == null ? null : Date.parse(text) / 1000);
  const flag = (met: boolean | null): number | null => (met === null ? null : Number(met));
  const figures = [
    [
      'answer_checked_timestamp_seconds',
      'When the evidence of an answer was last checked, since the epoch.',
      ANSWERS.flatMap((name) =>
        sample(epoch(status[name].checkedAt)).map(({ value }) => ({ labels: { answer: name }, value })),
      ),
    ],
    [
      'service',
      '1 for the state that each service had when it was last checked, 0 for the others.',
      status.services.items.flatMap(({ name, state }) => stateSet('service', name, state)),
    ],
    [
      'service_checked_timestamp_seconds',
      'When a service was last checked, since the epoch.',
      status.services.items.flatMap(({ checkedAt, name }) =>
        sample(epoch(checkedAt)).map(({ value }) => ({ labels: { service: name }, value })),
      ),
    ],
    [
      'scheduler_call_timestamp_seconds',
      'When each scheduler last called the guard, since the epoch.',
      status.watched.schedulers.flatMap(({ lastAt, scheduler }) =>
        sample(epoch(lastAt)).map(({ value }) => ({ labels: { scheduler }, value })),
      ),
    ],
    ['rpo_objective_seconds', 'Maximum age of the newest verified snapshot.', sample(point.objectiveHours * 3600)],
    [
      'snapshot_age_seconds',
      'Age of the newest verified snapshot.',
      sample(point.ageHours === null ? null : point.ageHours * 3600),
    ],
    ['rpo_met', 'Whether the recovery point objective is met.', sample(Number(point.met))],
    ['snapshot_keys', 'Keys in the newest verified snapshot.', sample(point.newestVerified?.keys ?? null)],
    [
      'keys_not_saved',
      'Keys that are missing from the newest backup, by cause.',
      status.unsaved === null
        ? []
        : labelledSamples('cause', {
            failed: status.unsaved.failed,
            unsupported: status.unsaved.unsupported,
            unexplained: status.unsaved.unexplained,
          }),
    ],
    ['rto_objective_seconds', 'Maximum time of a full restore.', sample(time.objectiveHours * 3600)],
    [
      'restore_projected_seconds',
      'Projected time until all data is written, based on the last drill that passed.',
      sample(seconds(time.projectedMilliseconds)),
    ],
    [
      'restore_proven_projected_seconds',
      'Projected time until every key is proven, based on the last drill that passed.',
      sample(seconds(time.projectedProvenMilliseconds)),
    ],
    ['rto_met', 'Whether the recovery time objective is met.', sample(flag(time.met))],
    [
      'drill_duration_seconds',
      'Duration of the last drill that passed.',
      sample(seconds(time.lastPassed?.milliseconds ?? null)),
    ],
    [
      'drill_passed_timestamp_seconds',
      'When a drill last passed, since the epoch.',
      sample(epoch(time.lastPassed?.finishedAt)),
    ],
    [
      'snapshots',
      'Snapshots in the store, by state; complete counts all that lack no key.',
      labelledSamples('state', { complete: storage.complete, ...storage.states }),
    ],
    [
      'restores_unfinished',
      'Restores of the database that are not known to have succeeded.',
      sample(status.unfinished.length),
    ],
    ['stored_bytes', 'Size of all snapshots in the store.', sample(storage.storedBytes)],
    ['runs_open', 'Runs that are not over, by kind.', labelledSamples('kind', countOpenRuns(status))],
    [
      'alert',
      '1 for each alert that is open.',
      status.alerts.map(({ code, subject }) => ({ labels: { code, subject }, value: 1 })),
    ],
    [
      'alert_sent_timestamp_seconds',
      'When an alert message was last delivered, since the epoch.',
      sample(epoch(status.delivery.lastSentAt)),
    ],
    [
      'alerts_undelivered',
      'Alerts that are due and have not been delivered.',
      sample(status.delivery.undelivered.length),
    ],
    [
      'alert_delivery_failed_timestamp_seconds',
      'When the last alert message failed or may have failed; absent once a later message has arrived.',
      sample(epoch(status.delivery.lastFailure?.at)),
    ],
    ['guard_run_timestamp_seconds', 'When the guard last ran, since the epoch.', sample(epoch(status.guard.lastRunAt))],
  ].map(([name, help, samples]) => ({ name, help, samples }) as Metric);
  return [...stateMetrics(status.state, (name) => status[name].state), ...figures];
}

/** The text format of gauges. */
export function renderMetrics(metrics: readonly Metric[]): string {
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
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** An unknown count has no sample: 0 would be wrong. */
function labelledSamples(label: string, counts: Readonly<Record<string, number | null>>): Sample[] {
  return Object.entries(counts).flatMap(([name, value]) =>
    value === null ? [] : [{ labels: { [label]: name }, value }],
  );
}

function countOpenRuns({ runs }: StatusReport): Record<string, number> {
  const counts = new Map(RUN_KINDS.map(({ kind }) => [kind, 0]));
  for (const run of runs.filter((each) => !isOver(each))) counts.set(run.kind, (counts.get(run.kind) ?? 0) + 1);
  return Object.fromEntries(counts);
}

/** The gauges while the status cannot be computed, as when the store does not answer: not ok, and no answer is known. */
export function unknownMetrics(): Metric[] {
  return stateMetrics('unknown', () => 'unknown');
}

function stateMetrics(
  state: StatusReport['state'],
  stateOf: (name: (typeof ANSWERS)[number]) => AnswerState,
): Metric[] {
  const answers = ANSWERS.flatMap((name) => stateSet('answer', name, stateOf(name)));
  return [
    { name: 'up', help: 'Whether all four answers are ok.', samples: [{ labels: {}, value: Number(state === 'ok') }] },
    { name: 'answer', help: '1 for the state that each of the four answers has, 0 for the others.', samples: answers },
  ];
}

/** A state set of OpenMetrics: one sample per state, so that no former state remains at 1. */
function stateSet(label: string, name: string, current: AnswerState): Sample[] {
  return ANSWER_STATES.map((state) => ({ labels: { [label]: name, state }, value: Number(state === current) }));
}
