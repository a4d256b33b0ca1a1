import { useCallback } from 'preact/hooks';
import { Badge, RunName, Time } from '../parts/text.js';
import { FeedContent, Table } from '../parts/panel.js';
import { useAppState } from '../state/app-state.js';
import { navigate } from '../state/browser.js';
import { isOver, runTime } from '../words/runs.js';
import { useFeed } from '../state/use-feed.js';
import { address, changeQuery } from '../words/address.js';
import { duration } from '../words/format.js';
import { runTone } from '../words/labels.js';

const PAGE = 50;
const STATES = [
  ['', 'All states'],
  ['running', 'Running'],
  ['waiting', 'Waiting'],
  ['succeeded', 'Succeeded'],
  ['incomplete', 'Incomplete'],
  ['failed', 'Failed'],
] as const;

/** A page of runs, newest first; the address holds the filters. */
export function RunsView() {
  const { api, projects, route } = useAppState();
  const of = (name: string): string => route.query.get(name) ?? '';
  const [kind, state, project, before] = [of('kind'), of('state'), of('project'), of('before')];
  const load = useCallback(
    () => api.runs({ kind, state, project, before, limit: PAGE }),
    [api, kind, state, project, before],
  );
  const [feed, refresh] = useFeed(load, null);
  const chooseFilter = (name: string) => (event: Event) =>
    navigate(changeQuery(route, { [name]: (event.currentTarget as HTMLSelectElement).value, before: null }));
  return (
    <>
      <h1 tabIndex={-1}>Runs</h1>
      <div class="filters" role="search">
        <Select
          label="Kind"
          value={kind}
          options={[
            ['', 'All kinds'],
            ...(feed.data?.kinds ?? []).map((one) => [one.kind, one.plural] as const),
            ...(kind === '' || feed.data?.kinds.some((one) => one.kind === kind) === true
              ? []
              : [[kind, kind] as const]),
          ]}
          onChange={chooseFilter('kind')}
        />
        <Select label="State" value={state} options={STATES} onChange={chooseFilter('state')} />
        <Select
          label="Project"
          value={project}
          options={[
            ['', 'All projects'],
            ...(projects.data?.projects ?? []).map(({ name, project: id }) => [id, name ?? id] as const),
            ...(project === '' || projects.data?.projects.some((one) => one.project === project) === true
              ? []
              : [[project, project] as const]),
          ]}
          onChange={chooseFilter('project')}
        />
      </div>
      <section class="panel" aria-label="Runs">
        <FeedContent what="The runs" feed={feed} everyMs={null} onRetry={refresh}>
          {({ next, runs }) => (
            <>
              {runs.length === 0 && <p class="empty">No run matches.</p>}
              {runs.length > 0 && (
                <Table
                  caption="Runs, newest first"
                  columns={['Started', 'What', 'State', '#Took', 'Started by']}
                  rows={runs.map((run) => ({
                    key: run.runId,
                    cells: [
                      <Time at={run.createdAt} />,
                      <RunName run={run} />,
                      <Badge tone={runTone(run)}>{run.state}</Badge>,
                      isOver(run.state) ? duration(runTime(run, Date.now())) : 'under way',
                      run.trigger ?? 'not recorded',
                    ],
                  }))}
                />
              )}
              <p class="buttons">
                {before !== '' && <a href={changeQuery(route, { before: null })}>Newest</a>}
                {next !== null && <a href={changeQuery(route, { before: next })}>Older</a>}
              </p>
            </>
          )}
        </FeedContent>
      </section>
      <p class="meta">
        Records of runs are kept for a limited time; <a href={address(['snapshots'])}>snapshots</a> last longer.
      </p>
    </>
  );
}

interface SelectProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, words: string])[];
  readonly onChange: (event: Event) => void;
}

export function Select({ label, value, options, onChange }: SelectProps) {
  return (
    <label class="filter">
      <span>{label}</span>
      <select value={value} onChange={onChange}>
        {options.map(([option, words]) => (
          <option key={option} value={option}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}
