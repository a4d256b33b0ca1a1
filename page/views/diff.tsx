import { useCallback } from 'preact/hooks';
import type { DiffView } from '../api/types.js';
import { FeedContent, Table } from '../parts/panel.js';
import { keyName } from '../parts/restore.js';
import { projectName, useAppState } from '../state/app-state.js';
import { navigate } from '../state/browser.js';
import { useFeed } from '../state/use-feed.js';
import { changeQuery } from '../words/address.js';
import { count, counted, formatInstant } from '../words/format.js';
import { labelOf } from '../words/labels.js';
import { Select } from './runs.js';

/** The differences between a snapshot and the current database, or another snapshot. */
export function Diff({ id }: { readonly id: string }) {
  const { projects, route, snapshots, zone } = useAppState();
  const chosen = route.query.get('with') ?? '';
  const project = route.query.get('in') ?? '';
  const chooseFilter = (name: string) => (event: Event) =>
    navigate(changeQuery(route, { [name]: (event.currentTarget as HTMLSelectElement).value }));
  const others = (snapshots.data?.snapshots ?? []).filter((one) => one.id !== id);
  return (
    <>
      <div class="filters">
        <Select
          label="With"
          value={chosen}
          options={[
            ['', 'Choose'],
            ['live', 'The database as it is now'],
            ...others.map((one) => [one.id, `${formatInstant(one.createdAt, zone)}, ${labelOf(one)}`] as const),
          ]}
          onChange={chooseFilter('with')}
        />
        <Select
          label="Of"
          value={project}
          options={[
            ['', 'All projects'],
            ...(projects.data?.projects ?? []).map((one) => [one.project, one.name ?? one.project] as const),
          ]}
          onChange={chooseFilter('in')}
        />
      </div>
      {chosen === 'live' && <p class="meta">Every key is read from the database, which costs commands.</p>}
      {chosen !== '' && <Compared id={id} other={chosen} project={project} />}
    </>
  );
}

function Compared({ id, other, project }: { readonly id: string; readonly other: string; readonly project: string }) {
  const { api } = useAppState();
  const load = useCallback(() => api.diff(id, { with: other, project, keys: 'true' }), [api, id, other, project]);
  const [feed, refresh] = useFeed(load, null);
  return (
    <FeedContent what="The comparison" feed={feed} everyMs={null} onRetry={refresh}>
      {(diff) => <Differences diff={diff} />}
    </FeedContent>
  );
}

function Differences({ diff: { changes = [], counts, more = false, partial } }: { readonly diff: DiffView }) {
  const { projects } = useAppState();
  const differing = counts.filter(({ added, changed: other, removed }) => added + other + removed > 0);
  const same = counts.reduce((sum, one) => sum + one.same, 0);
  const parts = partial.map(({ holds, snapshot }) => (
    <p class="meta" key={snapshot}>
      Snapshot {snapshot} holds {holds}.
    </p>
  ));
  if (differing.length === 0) {
    return (
      <>
        {parts}
        <p>Nothing differs: {counted(same, 'key')} are the same.</p>
      </>
    );
  }
  return (
    <>
      {parts}
      <Table
        caption="Keys added, removed or changed since the snapshot"
        columns={['Family', 'Project', '#Added', '#Removed', '#Changed', '#Same']}
        rows={differing.map((one) => ({
          key: `${one.family} ${one.project ?? ''}`,
          cells: [
            one.family,
            one.project === null ? 'none' : <bdi>{projectName(projects, one.project)}</bdi>,
            count(one.added),
            count(one.removed),
            count(one.changed),
            count(one.same),
          ],
        }))}
      />
      <details>
        <summary>The keys: {more ? 'the first 1,000' : count(changes.length)}</summary>
        <ul class="names">
          {changes.map(({ change, key, what }, index) => (
            <li key={index}>
              {change}
              {what.length > 0 && ` (${what.join(', ')})`} <code>{keyName(key)}</code>
            </li>
          ))}
        </ul>
      </details>
    </>
  );
}
