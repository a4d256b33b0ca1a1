import { useCallback } from 'preact/hooks';
import { CancelRun, RunProgress, Steps, Waterfall } from '../parts/live-run.js';
import { Badge, Command, Facts, type Fact, ProjectLink, RunWords, Words } from '../parts/text.js';
import { Outcome } from '../parts/actions.js';
import { FeedContent, Panel } from '../parts/panel.js';
import { Notes, PlanSummary, RestoreResult } from '../parts/restore.js';
import type { RunView as Run, Scope } from '../api/types.js';
import { serverTime, useAppState, useRun } from '../state/app-state.js';
import { useNow } from '../state/use-feed.js';
import { scopeOf } from '../../lib/restore/scope-words.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import { changesAnything, planOf } from '../state/restore.js';
import { navigate } from '../state/browser.js';
import { isOver, runTime } from '../words/runs.js';
import { isPending, useAction } from '../state/use-action.js';
import { address } from '../words/address.js';
import { commands } from '../words/commands.js';
import { costWords, duration, formatEventTime } from '../words/format.js';
import { runTone } from '../words/labels.js';
import { formatKeyLine } from '../words/restore-choices.js';

/** One run: its request, its progress or result, its phases, and the next actions. */
export function RunView({ id }: { readonly id: string }) {
  const [feed, refresh, everyMs] = useRun(id);
  return (
    <>
      <h1 tabIndex={-1}>{feed.data === null ? 'Run' : <RunWords run={feed.data} />}</h1>
      <p class="meta">
        <a href={address(['runs'])}>Runs</a> / <code>{id}</code>
      </p>
      <FeedContent what="The run" feed={feed} everyMs={everyMs} onRetry={refresh}>
        {(run) => <Shown run={run} />}
      </FeedContent>
    </>
  );
}

function Shown({ run }: { readonly run: Run }) {
  const { status } = useAppState();
  const now = serverTime(status, useNow());
  const over = isOver(run.state);
  const plan = planOf(run);
  const isPlan = plan !== null && fieldsOf(run.input)['dryRun'] === true;
  return (
    <>
      <section class={`verdict ${over ? runTone(run) : 'busy'}`} aria-label="State">
        <p class="row-title" role="status">
          <Badge tone={runTone(run)}>{run.state}</Badge>{' '}
          {over && (
            <strong class="end">
              <Words text={run.ended ?? 'Done'} />
            </strong>
          )}
        </p>
        {over && run.error !== null && (
          <p>
            <Words text={run.error.hint} />
          </p>
        )}
        {!over && <RunProgress run={run} />}
        {!over && <CancelRun run={run} />}
        <NextActs run={run} />
      </section>
      <div class="columns">
        <div class="column">
          {over && !isPlan && <Result run={run} />}
          {over && plan !== null && (
            <Panel title="The plan">
              <PlanSummary plan={plan} notes={isPlan ? run.notes : []} />
            </Panel>
          )}
          <Panel title={over ? 'Phases' : 'Steps'}>{over ? <Waterfall run={run} /> : <Steps run={run} />}</Panel>
        </div>
        <div class="column">
          <Panel title="Request">
            <Facts facts={inputFacts(run, now)} />
          </Panel>
          <Panel title="Events">
            <Events run={run} />
          </Panel>
          <Command line={commands.run(run.runId)} />
        </div>
      </div>
    </>
  );
}

/** Actions that a finished run offers. */
function NextActs({ run }: { readonly run: Run }) {
  if (!isOver(run.state)) return null;
  const input = fieldsOf(run.input);
  const result = fieldsOf(run.result);
  const plan = planOf(run);
  const snapshot = typeof input['snapshot'] === 'string' ? input['snapshot'] : null;
  const made = run.kind === 'snapshot' && typeof result['snapshot'] === 'string' ? result['snapshot'] : snapshot;
  const undo = typeof result['undo'] === 'string' && result['undo'] !== 'skipped' ? result['undo'] : null;
  const isPlan = run.kind === 'restore' && input['dryRun'] === true;
  const beside = fieldsOf(input['beside'])['suffix'];
  const isLost = run.kind === 'restore' && !isPlan && run.state === 'failed' && typeof input['target'] !== 'string';
  const isRetried = run.kind === 'reindex' && run.state !== 'succeeded';
  const isBuilt =
    run.kind === 'reindex' && run.state === 'succeeded' && typeof beside === 'string' && input['dropOld'] !== true;
  return (
    <div class="buttons">
      {isPlan && plan !== null && changesAnything(plan) && snapshot !== null && (
        <a class="button danger-line" href={address(['restore'], { snapshot, plan: run.runId })}>
          Restore by this plan…
        </a>
      )}
      {isLost && snapshot !== null && (
        <a class="button danger-line" href={address(['restore'], { snapshot, ...chosenBy(scopeOfRun(run)) })}>
          Restore again…
        </a>
      )}
      {!isPlan && undo !== null && <Undo run={run} snapshot={undo} />}
      {isRetried && (
        <a class="button" href={address(['runs', run.runId], { do: 'reindex', retry: run.runId })}>
          Retry…
        </a>
      )}
      {isBuilt && (
        <a
          class="button danger-line"
          href={`${address(['runs', run.runId])}?do=reindex&drop=${encodeURIComponent(beside)}`}
        >
          Remove the old vectors…
        </a>
      )}
      {made !== null && (
        <a class="button" href={address(['snapshots', made])}>
          See the snapshot
        </a>
      )}
    </div>
  );
}

function scopeOfRun(run: Run): Scope {
  return scopeOf(fieldsOf(run.input)['scope']) ?? { all: true };
}

/** The query of a restore's address for a scope; empty when an address cannot express the scope. */
function chosenBy(scope: Scope): Readonly<Record<string, string>> {
  if ('project' in scope) return { scope: 'project', project: scope.project };
  if ('all' in scope) return { scope: 'all' };
  if ('items' in scope) return {};
  const { families, keys, matches, projects } = scope;
  const kinds = [families, keys, matches].filter((kind) => kind.length > 0);
  if (kinds.length !== 1 || projects.length > (families.length > 0 ? 1 : 0)) return {};
  if (families.length > 0) return { scope: 'families', families: families.join(','), project: projects[0] ?? '' };
  if (keys.length > 0) return { scope: 'keys', key: keys.map(formatKeyLine).join('\n') };
  return { scope: 'matches', match: matches.join('\n') };
}

/** Plans the undo of a restore, with the scope of that restore. Nothing is written until the plan is confirmed. */
function Undo({ run, snapshot }: { readonly run: Run; readonly snapshot: string }) {
  const { api } = useAppState();
  const scope = scopeOfRun(run);
  const send = useCallback(
    () => api.restore({ snapshot, scope, dryRun: true }),
    [api, snapshot, JSON.stringify(scope)],
  );
  const action = useAction('restore', send, (plan) =>
    navigate(address(['restore'], { snapshot, ...chosenBy(scope), plan })),
  );
  return (
    <>
      <button type="button" class="danger-line" disabled={isPending(action)} onClick={action.start}>
        Undo this restore…
      </button>
      <Outcome action={action} kind="restore" />
    </>
  );
}

function Result({ run }: { readonly run: Run }) {
  return (
    <Panel title="Result">
      {run.details !== undefined && <p>{run.details}.</p>}
      {run.figures.length === 0 && <p class="empty">No figures were recorded.</p>}
      <Facts facts={run.figures} />
      <Notes notes={run.notes} />
      {run.kind === 'restore' && <RestoreResult run={run} />}
    </Panel>
  );
}

function inputFacts(run: Run, now: number): Fact[] {
  const over = isOver(run.state);
  const input = fieldsOf(run.input);
  const scope = scopeOf(input['scope']);
  const plain = Object.entries(input).filter(
    ([name, value]) =>
      name !== 'scope' && name !== 'snapshot' && name !== 'trigger' && value !== null && typeof value !== 'object',
  );
  return [
    ['Started by', run.trigger ?? 'not recorded'],
    ...(typeof input['snapshot'] === 'string'
      ? [['Snapshot', <a href={address(['snapshots', input['snapshot']])}>{input['snapshot']}</a>] as Fact]
      : []),
    ...(scope !== null && 'project' in scope
      ? [['Project', <ProjectLink id={scope.project} />] as Fact]
      : run.asked === ''
        ? []
        : [['Scope', run.asked] as Fact]),
    ...plain.map(([name, value]): Fact => [
      inWords(name),
      value === true ? 'yes' : value === false ? 'no' : String(value),
    ]),
    ['Attempts', String(run.attempts)],
    ...(over ? [['Cost', costWords(run.cost)] as Fact] : []),
    [over ? 'Took' : 'So far', duration(runTime(run, now))],
  ];
}

/** `dryRun` as `Dry run`. */
function inWords(name: string): string {
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}

/** The events of a run, oldest first. */
function Events({ run }: { readonly run: Run }) {
  const { lastError } = run;
  const events = [
    { at: run.createdAt, words: `Started${run.trigger === null ? '' : ` by ${run.trigger}`}` },
    ...run.phases.map(({ at, phase }) => ({
      at,
      words: run.steps.find((step) => step.phase === phase)?.words ?? phase,
    })),
    ...(lastError === null ? [] : [{ at: lastError.at, words: `Error: ${lastError.message} (${lastError.code})` }]),
    ...(run.finishedAt === null ? [] : [{ at: run.finishedAt, words: `Ended: ${run.state}` }]),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const { status, zone } = useAppState();
  const now = serverTime(status, useNow(30_000));
  return (
    <ol class="events">
      {events.map(({ at, words }, index) => (
        <li key={index}>
          <time class="meta" dateTime={at}>
            {formatEventTime(at, zone, now)}
          </time>{' '}
          <span>{words}</span>
        </li>
      ))}
    </ol>
  );
}
