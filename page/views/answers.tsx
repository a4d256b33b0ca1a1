import type { ComponentChildren } from 'preact';
import type { Status } from '../api/types.js';
import { Badge, Time } from '../parts/text.js';
import { address } from '../words/address.js';
import { count, duration } from '../words/format.js';
import { reasonsOf, recoverableTo, serviceTitle, type AnswerName } from '../words/verdict.js';

const STATES = { ok: ['good', 'ok'], 'not-ok': ['bad', 'not ok'], unknown: ['warn', 'not known'] } as const;

/** The four answers behind the verdict, each with its figure and its remedy. */
export function Answers({ status }: { readonly status: Status }) {
  const { recoverable, recoveryPoint, recoveryTime, services, watched } = status;
  const working = services.items.filter(({ state }) => state === 'ok').length;
  const took = recoveryTime.projectedMilliseconds ?? recoveryTime.lastPassed?.milliseconds ?? null;
  const { newestVerified } = recoveryPoint;
  const { figure, why } = recoverableTo(recoveryPoint);
  return (
    <section class="answers" aria-label="The four answers">
      <AnswerCard status={status} name="recoverable" title="Recoverable to" figure={figure}>
        {newestVerified === null ? (
          <p>{why}</p>
        ) : (
          <p>
            <a href={address(['snapshots', newestVerified.id])}>{count(newestVerified.keys)} keys</a>, objective{' '}
            {recoveryPoint.objectiveHours} h
          </p>
        )}
        <Checked answer={recoverable} />
      </AnswerCard>
      <AnswerCard
        status={status}
        name="recoveryTime"
        title="Recovery time"
        figure={took === null ? 'not known' : duration(took)}
      >
        <p>Objective {recoveryTime.objectiveHours} h</p>
        {recoveryTime.lastDrill === null ? (
          <p class="meta">No drill has run yet.</p>
        ) : (
          <p class="meta">
            <a href={address(['runs', recoveryTime.lastDrill.id])}>Last drill</a> {recoveryTime.lastDrill.outcome}
          </p>
        )}
      </AnswerCard>
      <AnswerCard status={status} name="watched" title="Watched" figure={watchedFigure(status)}>
        <p>
          {watched.schedulers.map(({ scheduler, state }) => `${scheduler} ${state}`).join(', ') ||
            'No scheduler is configured.'}
        </p>
        {status.guard.lastRunAt !== null && (
          <p class="meta">
            Guard: <Time at={status.guard.lastRunAt} />
          </p>
        )}
      </AnswerCard>
      <AnswerCard
        status={status}
        name="services"
        title="Services now"
        figure={`${working} of ${services.items.length} work`}
      >
        {services.state !== 'ok' && (
          <p>
            {services.items
              .filter(({ state }) => state !== 'ok')
              .map(({ name, state }) => `${serviceTitle(name)}: ${STATES[state][1]}`)
              .join(', ')}
          </p>
        )}
        <Checked answer={services} />
      </AnswerCard>
    </section>
  );
}

function watchedFigure({ watched }: Status): string {
  if (watched.schedulers.length === 0) return STATES[watched.state][1];
  const heard = watched.schedulers.filter(({ state }) => state === 'heard').length;
  return `${heard} of ${watched.schedulers.length} heard`;
}

function Checked({ answer: { checkedAt } }: { readonly answer: Status['recoverable'] }) {
  return checkedAt === null ? (
    <p class="meta">Never checked.</p>
  ) : (
    <p class="meta">
      Checked <Time at={checkedAt} />
    </p>
  );
}

interface CardProps {
  readonly status: Status;
  readonly name: AnswerName;
  readonly title: string;
  readonly figure: string;
  readonly children: ComponentChildren;
}

function AnswerCard({ status, name, title, figure, children }: CardProps) {
  const [tone, words] = STATES[status[name].state];
  const [first] = reasonsOf(status, name);
  return (
    <section class={`answer ${tone}`} aria-label={title}>
      <header>
        <h2>{title}</h2>
        <Badge tone={tone}>{words}</Badge>
      </header>
      <p class="figure">{figure}</p>
      {children}
      {first !== undefined && (
        <p>
          <a href={first.to}>{first.remedy}</a>
        </p>
      )}
    </section>
  );
}
