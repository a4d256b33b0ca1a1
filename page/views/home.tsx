import type { ComponentChildren } from 'preact';
import { crons } from '../../vercel.json';
import type { RunSummary, Status } from '../api/types.js';
import { Acknowledge } from '../parts/acknowledge.js';
import { Badge, Sign } from '../parts/badge.js';
import { useVerdict } from '../parts/frame.js';
import { LiveRun } from '../parts/live-run.js';
import { Fed, Panel } from '../parts/panel.js';
import { Problem } from '../parts/problem.js';
import { RunName } from '../parts/run-name.js';
import { Time } from '../parts/time.js';
import { Words } from '../parts/words.js';
import { serverTime, useDesk } from '../state/desk.js';
import { useNow } from '../state/now.js';
import { EVERY } from '../state/pace.js';
import { isOver } from '../state/runs.js';
import { address } from '../words/address.js';
import { count, counted, duration } from '../words/format.js';
import { runTone } from '../words/snapshot-label.js';
import { nextRun } from '../words/strip.js';
import { reasonsOf, runbookOf, serviceTitle, type AnswerName } from '../words/verdict.js';
import { Strip } from './strip.js';

const HOUR_MS = 3_600_000;
const RECENT = 6;
/** The nightly backup, as vercel.json has it called. */
const NIGHTLY = crons.find(({ path }) => path === '/api/cron/backup')?.schedule ?? '';

/** Whether the data is safe, why not, and what to do about it. */
export function HomeView() {
  const { status } = useDesk();
  return (
    <>
      <h1 class="hidden" tabIndex={-1}>
        Overview
      </h1>
      <VerdictPanel />
      <Actions />
      {status.data !== null && (
        <>
          <Answers status={status.data} />
          <div class="columns">
            <div class="column">
              <Now status={status.data} />
              <Alerts status={status.data} />
            </div>
            <div class="column">
              <History status={status.data} />
              <Recent runs={status.data.runs} />
            </div>
          </div>
        </>
      )}
    </>
  );
}

function VerdictPanel() {
  const { refresh, status } = useDesk();
  const { detail, headline, isOld, reasons, tone } = useVerdict();
  return (
    <section class={`verdict ${tone}`} aria-label="Verdict">
      <p class="headline" role="status">
        <Sign tone={tone} />
        <span>{headline}</span>
      </p>
      {reasons.length > 0 && (
        <ul class="reasons">
          {reasons.map((reason, index) => (
            <li key={reason.words}>
              <Sign tone={reason.tone} />
              <span>
                <Words text={reason.words} />{' '}
                {index === 0 && reason.hint != null && (
                  <>
                    <Words text={reason.hint} />{' '}
                  </>
                )}
                <a class="remedy" href={reason.to}>
                  {reason.remedy}
                </a>
              </span>
            </li>
          ))}
        </ul>
      )}
      {detail !== '' && (
        <p class="detail">
          <Words text={detail} />
        </p>
      )}
      {status.data !== null && (
        <p class={isOld ? 'stale' : 'meta'}>
          As of <Time at={status.data.at} />
        </p>
      )}
      {status.error !== null && (
        <Problem title="The status cannot be read" error={status.error} onRetry={refresh.status} />
      )}
    </section>
  );
}

/** Each opens a dialog or a view; none does anything by itself. Restoring overwrites, so that it stands apart. */
function Actions() {
  const dialog = (name: string): string => address([], { do: name });
  return (
    <nav class="actions" aria-label="Actions">
      <a class="button primary" href={dialog('backup')}>
        Back up now…
      </a>
      <a class="button" href={dialog('verify')}>
        Verify…
      </a>
      <a class="button" href={dialog('drill')}>
        Drill…
      </a>
      <a class="button" href={dialog('reindex')}>
        Re-index…
      </a>
      <a class="button danger-line apart" href={address(['restore'])}>
        Restore…
      </a>
    </nav>
  );
}

const STATES = { ok: ['good', 'ok'], 'not-ok': ['bad', 'not ok'], unknown: ['warn', 'not known'] } as const;

function Answers({ status }: { readonly status: Status }) {
  const { recoverable, recoveryPoint, recoveryTime, services, watched } = status;
  const working = services.items.filter(({ state }) => state === 'ok').length;
  const took = recoveryTime.projectedMilliseconds ?? recoveryTime.lastPassed?.milliseconds ?? null;
  const { newestVerified } = recoveryPoint;
  return (
    <section class="answers" aria-label="The four answers">
      <AnswerCard
        status={status}
        name="recoverable"
        title="Recoverable to"
        figure={recoveryPoint.ageHours === null ? 'nothing' : `${duration(recoveryPoint.ageHours * HOUR_MS)} ago`}
      >
        {newestVerified === null ? (
          <p>There is no verified backup.</p>
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
          <p class="meta">No drill was made.</p>
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

function Now({ status }: { readonly status: Status }) {
  const { status: feed } = useDesk();
  const now = serverTime(feed, useNow(30_000));
  const live = status.runs.filter(({ state }) => !isOver(state));
  const next = nextRun(NIGHTLY, now);
  return (
    <Panel title="Now">
      {live.length === 0 && <p class="empty">Nothing is running.</p>}
      {live.length > 0 && (
        <ul class="rows">
          {live.map((run) => (
            <li key={run.runId}>
              <LiveRun run={run} />
            </li>
          ))}
        </ul>
      )}
      {next !== null && (
        <p class="meta">
          Next nightly backup: <Time at={next} />
        </p>
      )}
    </Panel>
  );
}

function Alerts({ status: { alerts, delivery } }: { readonly status: Status }) {
  return (
    <Panel
      title="Alerts"
      aside={alerts.length === 0 ? undefined : <Badge tone="warn">{counted(alerts.length, 'open alert')}</Badge>}
    >
      {alerts.length === 0 && <p class="empty">No alert is open.</p>}
      <ul class="rows">
        {alerts.map((alert) => (
          <li key={`${alert.code} ${alert.subject}`}>
            <p class="row-title">
              <Sign tone="bad" />{' '}
              <strong>
                <Words text={alert.message} />
              </strong>
            </p>
            <p>
              <Words text={alert.hint} />
            </p>
            <p class="meta">
              <code>{alert.code}</code> since <Time at={alert.since} />
              {alert.lastSentAt === null ? '. Nobody was told yet.' : ''}
            </p>
            <div class="buttons">
              <a href={runbookOf(alert.code)}>What it means and what to do</a>
              <Acknowledge alert={alert} />
            </div>
          </li>
        ))}
      </ul>
      {delivery.lastFailure !== null && (
        <p>
          <Badge tone="bad">not delivered</Badge> The last message did not arrive: {delivery.lastFailure.message}
        </p>
      )}
    </Panel>
  );
}

function History({ status }: { readonly status: Status }) {
  const { refresh, snapshots } = useDesk();
  return (
    <Panel title="The last 30 days" aside={<a href={address(['snapshots'])}>All snapshots</a>}>
      <Fed what="The snapshots" feed={snapshots} everyMs={EVERY.snapshots} onRetry={refresh.snapshots}>
        {({ snapshots: list }) => <Strip snapshots={list} drills={status.drills} now={Date.parse(status.at)} />}
      </Fed>
    </Panel>
  );
}

function Recent({ runs }: { readonly runs: readonly RunSummary[] }) {
  const over = runs.filter(({ state }) => isOver(state)).slice(0, RECENT);
  return (
    <Panel title="Last runs" aside={<a href={address(['runs'])}>All runs</a>}>
      {over.length === 0 && <p class="empty">No run has ended within a week.</p>}
      <ul class="rows">
        {over.map((run) => (
          <li key={run.runId}>
            <p class="row-title">
              <Badge tone={runTone(run)}>{run.state}</Badge> <RunName run={run} />
            </p>
            <p class="meta">
              <Time at={run.createdAt} />
            </p>
            {run.error !== null && (
              <p>
                <Words text={run.error.message} />.
              </p>
            )}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
