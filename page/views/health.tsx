import { useState } from 'preact/hooks';
import type { CallError } from '../api/errors.js';
import type { CheckFigures, Status } from '../api/types.js';
import { Badge, Facts, Problem, ProjectLink, Time, Words } from '../parts/text.js';
import { FeedContent, Panel, Table } from '../parts/panel.js';
import { useAppState } from '../state/app-state.js';
import { asCallError } from '../state/use-feed.js';
import { address } from '../words/address.js';
import { bytes, count, counted, formatDay, dollars } from '../words/format.js';
import { checkGroups, findRemovedSoon, serviceTitle } from '../words/verdict.js';
import type { Tone } from '../words/labels.js';
import { Goes } from './snapshots.js';

/** How many of the snapshots that are removed soon are listed. */
const GOING = 5;

/** Services, checks, monitoring, storage and cost. */
export function HealthView() {
  const { refresh, status, statusEveryMs } = useAppState();
  return (
    <>
      <h1 tabIndex={-1}>Health</h1>
      <FeedContent what="The status" feed={status} everyMs={statusEveryMs} onRetry={refresh.status}>
        {(data) => (
          <>
            {data.credentials.checkedAt !== null && (
              <p class="meta">
                Checked by the guard <Time at={data.credentials.checkedAt} />
              </p>
            )}
            <div class="balanced">
              <Services status={data} />
              <Checks status={data} />
              <Monitoring status={data} />
              <Storage status={data} />
              <Cost status={data} />
              <Index status={data} />
              <Acknowledged status={data} />
            </div>
          </>
        )}
      </FeedContent>
    </>
  );
}

const CHECK_TONES: Readonly<Record<CheckFigures['status'], readonly [Tone, string]>> = {
  ok: ['good', 'works'],
  warn: ['warn', 'warning'],
  fail: ['bad', 'fails'],
  skipped: ['plain', 'not set'],
  unknown: ['warn', 'not known'],
};

function Checks({ status: { credentials } }: { readonly status: Status }) {
  const groups = checkGroups(credentials.checks);
  return (
    <>
      {groups.length === 0 && (
        <Panel title="Checks">
          <p>The guard has not run its checks yet. Until then the state of the credentials is not known.</p>
        </Panel>
      )}
      {groups.map(({ title, checks }) => (
        <Panel key={title} title={title} aside={<span class="meta">{count(checks.length)}</span>}>
          <ul class="rows">
            {checks.map(({ detail, hint, name, status }) => (
              <li key={name}>
                <p class="row-title">
                  <strong>{name}</strong> <Badge tone={CHECK_TONES[status][0]}>{CHECK_TONES[status][1]}</Badge>
                </p>
                <p>{detail}</p>
                {hint !== null && status !== 'ok' && (
                  <p class="hint">
                    <Words text={hint} />
                  </p>
                )}
              </li>
            ))}
          </ul>
        </Panel>
      ))}
    </>
  );
}

const SERVICE_TONES = {
  ok: ['good', 'works'],
  'not-ok': ['bad', 'does not work'],
  unknown: ['warn', 'not known'],
} as const;
const ORDER = { 'not-ok': 0, unknown: 1, ok: 2 } as const;

function Services({ status: { services } }: { readonly status: Status }) {
  const items = [...services.items].sort((a, b) => ORDER[a.state] - ORDER[b.state]);
  return (
    <Panel title="Services now">
      {items.length === 0 && <p class="empty">No service was checked yet.</p>}
      <ul class="rows">
        {items.map(({ checkedAt, hint, name, reason, state }) => (
          <li key={name}>
            <p class="row-title">
              <strong>{serviceTitle(name)}</strong>{' '}
              <Badge tone={SERVICE_TONES[state][0]}>{SERVICE_TONES[state][1]}</Badge>
            </p>
            {reason !== null && <p>{reason}</p>}
            {hint !== null && (
              <p class="hint">
                <Words text={hint} />
              </p>
            )}
            <p class="meta">
              Checked <Time at={checkedAt} />
            </p>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const HEARD = { heard: 'good', silent: 'bad', unknown: 'warn' } as const;

function Monitoring({ status: { delivery, guard, watched } }: { readonly status: Status }) {
  return (
    <Panel title="Monitoring and alerts">
      <ul class="rows">
        {watched.schedulers.map(({ dueBy, lastAt, scheduler, state }) => (
          <li key={scheduler}>
            <p class="row-title">
              <strong>{scheduler === 'cron' ? 'Cron' : 'Schedule'}</strong> <Badge tone={HEARD[state]}>{state}</Badge>
            </p>
            <p class="meta">
              Last call: {lastAt === null ? 'never' : <Time at={lastAt} />}
              {dueBy !== null && (
                <>
                  . Due by <Time at={dueBy} plain />
                </>
              )}
            </p>
          </li>
        ))}
      </ul>
      <Facts
        facts={[
          ['Guard ran', guard.lastRunAt === null ? 'never' : <Time at={guard.lastRunAt} />],
          ['Outcome of the guard', guard.outcome ?? 'not known'],
          ['Last message delivered', delivery.lastSentAt === null ? 'never' : <Time at={delivery.lastSentAt} />],
          ['Not delivered', delivery.undelivered.length === 0 ? 'none' : delivery.undelivered.join(', ')],
        ]}
      />
      {delivery.lastFailure !== null && (
        <p>
          <Badge tone="bad">{delivery.lastFailure.outcome}</Badge> {delivery.lastFailure.message}.{' '}
          <Words text={delivery.lastFailure.hint} />
        </p>
      )}
      <TestAlert />
    </Panel>
  );
}

function TestAlert() {
  const { api, refresh } = useAppState();
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState('');
  const [error, setError] = useState<CallError | null>(null);
  const test = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    setSaid('');
    try {
      const result = await api.testAlert();
      setSaid(
        result.outcome === 'delivered'
          ? 'The test alert was delivered.'
          : `Test alert ${result.outcome}: ${result.error?.message ?? ''}`,
      );
      refresh.status();
    } catch (thrown) {
      setError(asCallError(thrown));
    }
    setBusy(false);
  };
  return (
    <>
      <div class="buttons">
        <button type="button" disabled={busy} onClick={() => void test()}>
          {busy ? 'Sending…' : 'Send a test alert'}
        </button>
      </div>
      <p role="status">{said}</p>
      {error !== null && <Problem title="The test alert was not sent" error={error} />}
    </>
  );
}

function Storage({ status: { storage } }: { readonly status: Status }) {
  const { snapshots } = useAppState();
  const going = findRemovedSoon(snapshots.data?.snapshots ?? []);
  return (
    <Panel title="Storage" aside={<a href={address(['snapshots'])}>Snapshots</a>}>
      <Facts
        facts={[
          ['Stored', bytes(storage.storedBytes)],
          ['Snapshots', count(storage.snapshots)],
          ...Object.entries(storage.states)
            .filter(([, number]) => number > 0)
            .map(([state, number]) => [`of them ${state}`, count(number)] as const),
          ['Removed within a week', snapshots.data === null ? 'not known' : counted(going.length, 'snapshot')],
        ]}
      />
      {going.length > 0 && (
        <ul class="names" aria-label="Removed within a week">
          {going.slice(0, GOING).map(({ createdAt, goesAt, id, kept }) => (
            <li key={id}>
              <a href={address(['snapshots', id])}>
                <Time at={createdAt} plain />
              </a>{' '}
              removed <Goes goesAt={goesAt} kept={kept} />
            </li>
          ))}
          {going.length > GOING && <li>and {count(going.length - GOING)} more</li>}
        </ul>
      )}
    </Panel>
  );
}

/** The usage cost of the last runs, without the price of the store. */
function Cost({ status: { spent } }: { readonly status: Status }) {
  const { commands, estimatedUsd, runs, since, tokens, unknown } = spent;
  return (
    <Panel title="Cost">
      {since === null ? (
        <p class="empty">No run in the last week.</p>
      ) : (
        <Facts
          facts={[
            ['Runs since', <Time at={since} />],
            ['Runs', count(runs)],
            ['Commands of the database', count(commands)],
            ['Tokens of the embedder', tokens === 0 ? 'none' : `about ${count(tokens)}`],
            ['Price', `at most ${dollars(estimatedUsd)}`],
            ...(unknown > 0 ? [['Of unknown cost, not counted', counted(unknown, 'run')] as const] : []),
          ]}
        />
      )}
    </Panel>
  );
}

function Index({ status: { index } }: { readonly status: Status }) {
  if (index === null) return null;
  const { configured, namespaces } = index;
  return (
    <Panel title="Embedding model">
      <p>
        Configured: {configured.model}, {count(configured.dimensions)} dimensions
      </p>
      {namespaces.length > 0 && (
        <Table
          caption="Namespaces and the model of their vectors"
          columns={['Project', 'Model', 'Proven']}
          rows={namespaces.map(({ mixed, model, project, provenAt }) => ({
            key: project,
            cells: [
              <ProjectLink id={project} />,
              model === configured.model && !mixed ? model : <Badge tone="warn">{mixed ? 'mixed' : model}</Badge>,
              provenAt === null ? 'not yet' : <Time at={provenAt} />,
            ],
          }))}
        />
      )}
    </Panel>
  );
}

function Acknowledged({ status: { acknowledged } }: { readonly status: Status }) {
  const { zone } = useAppState();
  if (acknowledged.length === 0) return null;
  return (
    <Panel title="Acknowledged alerts">
      <ul class="rows">
        {acknowledged.map(({ at, code, reason, subject, until }) => (
          <li key={`${code} ${subject}`}>
            <p>
              <code>{code}</code> {subject}: {reason}
            </p>
            <p class="meta">
              <Time at={at} />
              {until !== null && `, until ${formatDay(until, zone)}`}
            </p>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
