import type { RecoveryPoint, RecoveryTime, Status } from '../api/types.js';
import { Age } from '../parts/age.js';
import { Badge } from '../parts/badge.js';
import { count, duration, known } from '../words/format.js';
import type { ComponentChildren } from 'preact';

const HOUR = 3_600_000;

/** How much would be lost, and how long it would take to be back: each against its objective. */
export function Objectives({ status }: { readonly status: Status }) {
  return (
    <div class="objectives">
      <RecoveryPointCard point={status.recoveryPoint} />
      <RecoveryTimeCard time={status.recoveryTime} />
    </div>
  );
}

function RecoveryPointCard({ point }: { readonly point: RecoveryPoint }) {
  const { ageHours, met, newestVerified, objectiveHours } = point;
  return (
    <Card
      title="Recovery point"
      short="RPO"
      tone={met ? 'good' : 'bad'}
      verdict={met ? 'Met' : 'Breached'}
      figure={ageHours === null ? 'No backup' : duration(ageHours * HOUR)}
      meter={ageHours === null ? null : { value: ageHours, max: objectiveHours }}
      objective={`Age of the newest verified backup. Objective: under ${objectiveHours} h.`}
    >
      {newestVerified === null ? (
        <p>There is no verified backup. Back up now.</p>
      ) : (
        <p>
          <code>{newestVerified.id}</code>, {count(newestVerified.keys)} keys
        </p>
      )}
    </Card>
  );
}

function RecoveryTimeCard({ time }: { readonly time: RecoveryTime }) {
  const { objectiveHours, met, projectedMilliseconds, lastPassed, lastDrill } = time;
  const figure = projectedMilliseconds ?? lastPassed?.milliseconds ?? null;
  const failed = lastDrill !== null && lastDrill.outcome !== 'passed' && lastDrill.outcome !== 'started';
  return (
    <Card
      title="Recovery time"
      short="RTO"
      tone={met === null ? 'warn' : met ? 'good' : 'bad'}
      verdict={met === null ? 'Not proven' : met ? 'Met' : 'Breached'}
      figure={figure === null ? 'Unknown' : duration(figure)}
      meter={figure === null ? null : { value: figure / HOUR, max: objectiveHours }}
      objective={`What a full restore would take. Objective: under ${objectiveHours} h.`}
    >
      {lastPassed === null ? (
        <p>No drill has passed yet. Start one to measure it.</p>
      ) : (
        <p>
          Last drill passed {lastPassed.finishedAt !== null && <Age at={lastPassed.finishedAt} />}:{' '}
          {count(lastPassed.keys)} keys in {known(lastPassed.milliseconds, duration)}
        </p>
      )}
      {failed && (
        <p>
          The last one was {lastDrill.outcome}
          {lastDrill.reason === null ? '' : `: ${lastDrill.reason}`}
        </p>
      )}
    </Card>
  );
}

interface CardProps {
  readonly title: string;
  readonly short: string;
  readonly tone: 'good' | 'warn' | 'bad';
  readonly verdict: string;
  readonly figure: string;
  readonly meter: { readonly value: number; readonly max: number } | null;
  readonly objective: string;
  readonly children: ComponentChildren;
}

function Card({ title, short, tone, verdict, figure, meter, objective, children }: CardProps) {
  return (
    <section class={`objective ${tone}`} aria-label={`${title} (${short})`}>
      <header>
        <h2>
          {title} <abbr>{short}</abbr>
        </h2>
        <Badge tone={tone}>{verdict}</Badge>
      </header>
      <p class="figure">{figure}</p>
      {meter !== null && (
        <meter aria-label={`${title}: ${figure}`} min={0} max={meter.max} value={Math.min(meter.value, meter.max)} />
      )}
      <p class="hint">{objective}</p>
      {children}
    </section>
  );
}
