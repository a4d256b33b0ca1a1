import { crons } from '../../vercel.json';
import type { RunSummary, Status, ListedSnapshot, AlertFigures } from '../api/types.js';
import { Badge, Sign, SIGNS, Problem, RunName, Time, Words } from '../parts/text.js';
import { useVerdict } from '../parts/frame.js';
import { LiveRun } from '../parts/live-run.js';
import { FeedContent, Panel } from '../parts/panel.js';
import { serverTime, useAppState } from '../state/app-state.js';
import { useNow } from '../state/use-feed.js';
import { EVERY } from '../state/feed.js';
import { isOver } from '../words/runs.js';
import { address } from '../words/address.js';
import { counted } from '../words/format.js';
import { runTone, findNextRun, buildHistory, type Day } from '../words/labels.js';
import { runbookOf } from '../words/verdict.js';
import { Answers } from './answers.js';
import { ConfirmAction } from '../parts/actions.js';

const RECENT = 6;
/** The schedule of the nightly backup in vercel.json. */
const NIGHTLY = crons.find(({ path }) => path === '/api/cron/backup')?.schedule ?? '';

/** Whether the data is safe, and if not, why and what to do. */
export function HomeView() {
  const { status } = useAppState();
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
  const { refresh, status } = useAppState();
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

/** Links to dialogs and views; none acts at once. Restore is set apart because it overwrites data. */
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

function Now({ status }: { readonly status: Status }) {
  const { status: feed } = useAppState();
  const now = serverTime(feed, useNow(30_000));
  const live = status.runs.filter(({ state }) => !isOver(state));
  const next = findNextRun(NIGHTLY, now);
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
              {alert.lastSentAt === null ? '. No message was delivered yet.' : ''}
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
  const { refresh, snapshots } = useAppState();
  return (
    <Panel title="The last 30 days" aside={<a href={address(['snapshots'])}>All snapshots</a>}>
      <FeedContent what="The snapshots" feed={snapshots} everyMs={EVERY.snapshots} onRetry={refresh.snapshots}>
        {({ snapshots: list }) => <Strip snapshots={list} drills={status.drills} now={Date.parse(status.at)} />}
      </FeedContent>
    </Panel>
  );
}

function Recent({ runs }: { readonly runs: readonly RunSummary[] }) {
  const over = runs.filter(({ state }) => isOver(state)).slice(0, RECENT);
  return (
    <Panel title="Last runs" aside={<a href={address(['runs'])}>All runs</a>}>
      {over.length === 0 && <p class="empty">No run has ended in the last week.</p>}
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

interface Props {
  readonly snapshots: readonly ListedSnapshot[];
  readonly drills: Status['drills'];
  readonly now: number;
}

/** A cell for each of the last days, with its backup and its drill. */
function Strip({ snapshots, drills, now }: Props) {
  const days = buildHistory(snapshots, drills, now);
  const missed = days.filter(({ state }) => state === 'missed').length;
  const verified = days.filter(({ state }) => state === 'verified').length;
  return (
    <>
      <ol class="strip" aria-label="Backups by day, oldest first">
        {days.map((day) => (
          <li key={day.date}>
            <Cell day={day} />
          </li>
        ))}
      </ol>
      <p class="meta">
        {verified} verified, {missed} missed. <Sign tone="good" /> verified <Sign tone="warn" /> doubtful or incomplete{' '}
        <Sign tone="bad" /> damaged or missed; <span aria-hidden="true">◆</span> a drill
      </p>
    </>
  );
}

function Cell({ day: { date, drill, snapshot, state, tone } }: { readonly day: Day }) {
  const drilled = drill === null ? '' : `, drill ${drill}`;
  const words = `${date}: ${state === 'none' ? 'no backup' : state}${drilled}`;
  const inside = (
    <>
      <span aria-hidden="true">{state === 'none' ? '·' : SIGNS[tone]}</span>
      <span class="drill" aria-hidden="true">
        {drill === null ? '' : '◆'}
      </span>
      <span class="hidden">{words}</span>
    </>
  );
  const kind = `day ${state === 'none' ? 'none' : tone}`;
  if (snapshot === null) {
    return (
      <span class={kind} title={words}>
        {inside}
      </span>
    );
  }
  return (
    <a class={kind} title={words} href={address(['snapshots', snapshot])}>
      {inside}
    </a>
  );
}

/** Acknowledges an alert with a reason. */
function Acknowledge({ alert }: { readonly alert: Pick<AlertFigures, 'code' | 'subject'> }) {
  const { api, refresh } = useAppState();
  return (
    <ConfirmAction
      label="Acknowledge…"
      confirmLabel="Acknowledge"
      reasonLabel="Why can this alert be closed?"
      perform={(reason) => api.acknowledge(alert.code, alert.subject, reason)}
      onDone={refresh.status}
    >
      The alert is closed. It opens again when its text changes, or after a week.
    </ConfirmAction>
  );
}
