import type { ProjectList, ProjectRow } from '../api/types.js';
import { Badge } from '../parts/badge.js';
import { FeedContent } from '../parts/panel.js';
import { Table } from '../parts/table.js';
import { useAppState } from '../state/app-state.js';
import { EVERY } from '../state/pace.js';
import { address } from '../words/address.js';
import { count, formatKnown, UNKNOWN } from '../words/format.js';
import { coverageOf } from '../words/labels.js';

const REACH: Readonly<Record<string, string>> = {
  'store unavailable': 'The store does not answer: what is saved is not known.',
  'redis unavailable': 'The database does not answer: names and items are not known.',
  'redis not-configured': 'No database is configured here.',
  'redis partly': 'Only part of the keys was scanned: a new project may be missing.',
  'vectors unavailable': 'The vector index does not answer: coverage is not known.',
  'vectors not-configured': 'No vector index is configured here.',
};

/** Saved keys and vectors of each project. */
export function ProjectsView() {
  const { projects, refresh } = useAppState();
  return (
    <>
      <h1 tabIndex={-1}>Projects</h1>
      <section class="panel" aria-label="Projects">
        <FeedContent what="The projects" feed={projects} everyMs={EVERY.projects} onRetry={refresh.projects}>
          {(list) => <List list={list} />}
        </FeedContent>
      </section>
    </>
  );
}

export function Reach({ list }: { readonly list: ProjectList }) {
  const words = (['store', 'redis', 'vectors'] as const).flatMap((part) => REACH[`${part} ${list[part]}`] ?? []);
  return (
    <>
      {words.map((each) => (
        <p key={each}>
          <Badge tone="warn">not known</Badge> {each}
        </p>
      ))}
    </>
  );
}

function List({ list }: { readonly list: ProjectList }) {
  return (
    <>
      <Reach list={list} />
      {list.projects.length === 0 && <p class="empty">No project is known.</p>}
      {list.projects.length > 0 && (
        <Table
          caption="Projects: keys in the newest verified snapshot, feedback items, and vectors of them"
          columns={['Project', '#Keys saved', '#Items', '#Vectors', 'Coverage', 'Made with']}
          rows={list.projects.map((project) => ({ key: project.project, cells: cellsOf(project) }))}
        />
      )}
    </>
  );
}

function cellsOf(row: ProjectRow) {
  const { items, keys, model, name, project, vectors } = row;
  return [
    <>
      <a class="name" href={address(['projects', project])}>
        <bdi>{name ?? project}</bdi>
      </a>
      {name !== null && name !== project && (
        <p class="meta">
          <code>{project}</code>
        </p>
      )}
    </>,
    <Saved keys={keys} />,
    formatKnown(items),
    formatKnown(vectors),
    <Coverage row={row} />,
    model === null ? UNKNOWN : `${model.name}, ${count(model.dimensions)}`,
  ];
}

/** Null is not known; 0 is none. */
export function Saved({ keys }: Pick<ProjectRow, 'keys'>) {
  if (keys === 0) return <Badge tone="warn">not saved</Badge>;
  return <>{formatKnown(keys)}</>;
}

export function Coverage({ row }: { readonly row: ProjectRow }) {
  const { tone, words } = coverageOf(row);
  return tone === null ? <>{words}</> : <Badge tone={tone}>{words}</Badge>;
}
