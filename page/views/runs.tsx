import { useCallback } from 'preact/hooks';
import { Badge } from '../parts/badge.js';
import { Fed } from '../parts/panel.js';
import { RunName } from '../parts/names.js';
import { Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { useDesk } from '../state/desk.js';
import { go } from '../state/route.js';
import { isOver, runTime } from '../state/runs.js';
import { useFeed } from '../state/use-feed.js';
import { address, changed } from '../words/address.js';
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

/** The runs there are, newest first, a page of them; the filters stand in the address. */
export function RunsView() {
  const { api, projects, route } = useDesk();
  const of = (name: string): string => route.query.get(name) ?? '';
  const [kind, state, project, before] = [of('kind'), of('state'), of('project'), of('before')];
  const load = useCallback(
    () => api.runs({ kind, state, project, before, limit: PAGE }),
    [api, kind, state, project, before],
  );
  const [feed, refresh] = useFeed(load, null);
  const choose = (name: string) => (event: Event) =>
    go(changed(route, { [name]: (event.currentTarget as HTMLSelectElement).value, before: null }));
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
          onChange={choose('kind')}
        />
        <Select label="State" value={state} options={STATES} onChange={choose('state')} />
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
          onChange={choose('project')}
        />
      </div>
      <section class="panel" aria-label="Runs">
        <Fed what="The runs" feed={feed} everyMs={null} onRetry={refresh}>
          {({ next, runs }) => (
            <>
              {runs.length === 0 && <p class="empty">No run fits.</p>}
              {runs.length > 0 && (
                <Table
                  caption="Runs, newest first"
                  columns={['Begun', 'What', 'State', '#Took', 'Asked for by']}
                  rows={runs.map((run) => ({
                    key: run.runId,
                    cells: [
                      <Time at={run.createdAt} />,
                      <RunName run={run} />,
                      <Badge tone={runTone(run)}>{run.state}</Badge>,
                      isOver(run.state) ? duration(runTime(run, Date.now())) : 'under way',
                      run.trigger ?? 'not noted',
                    ],
                  }))}
                />
              )}
              <p class="buttons">
                {before !== '' && <a href={changed(route, { before: null })}>Newest</a>}
                {next !== null && <a href={changed(route, { before: next })}>Older</a>}
              </p>
            </>
          )}
        </Fed>
      </section>
      <p class="meta">
        Records of runs are kept for a time; <a href={address(['snapshots'])}>snapshots</a> last longer.
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
