import type { ProjectList, ProjectRow } from '../api/types.js';
import { Badge, Facts, Time } from '../parts/text.js';
import { FeedContent, Table, Panel } from '../parts/panel.js';
import { useAppState, projectName } from '../state/app-state.js';
import { EVERY } from '../state/feed.js';
import { address } from '../words/address.js';
import { count, formatKnown, UNKNOWN } from '../words/format.js';
import { coverageOf } from '../words/labels.js';
import { timeOfId } from '../words/runs.js';

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

function Reach({ list }: { readonly list: ProjectList }) {
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
function Saved({ keys }: Pick<ProjectRow, 'keys'>) {
  if (keys === 0) return <Badge tone="warn">not saved</Badge>;
  return <>{formatKnown(keys)}</>;
}

function Coverage({ row }: { readonly row: ProjectRow }) {
  const { tone, words } = coverageOf(row);
  return tone === null ? <>{words}</> : <Badge tone={tone}>{words}</Badge>;
}

/** One project: its saved keys, its vectors, and the actions that restore or re-index it. */
export function ProjectView({ id }: { readonly id: string }) {
  const { projects, refresh } = useAppState();
  const name = projectName(projects, id);
  return (
    <>
      <h1 tabIndex={-1} class="name">
        <bdi>{name}</bdi>
      </h1>
      <p class="meta">
        <a href={address(['projects'])}>Projects</a> / <code class="name">{id}</code>
      </p>
      <nav class="actions" aria-label="Actions">
        <a class="button" href={address(['projects', id], { do: 'reindex', of: id })}>
          Re-index it…
        </a>
        <a class="button" href={address(['runs'], { project: id })}>
          Its runs
        </a>
        <a class="button danger-line apart" href={address(['restore'], { scope: 'project', project: id })}>
          Restore it…
        </a>
      </nav>
      <Panel title="What there is">
        <FeedContent what="The project" feed={projects} everyMs={EVERY.projects} onRetry={refresh.projects}>
          {(list) => {
            const row = list.projects.find(({ project }) => project === id);
            const saved = list.snapshot === null ? null : timeOfId(list.snapshot);
            return (
              <>
                <Reach list={list} />
                {row === undefined && (
                  <p>
                    The project is not in the newest verified snapshot, the database or the index. Search the older{' '}
                    <a href={address(['snapshots'])}>snapshots</a>.
                  </p>
                )}
                {row !== undefined && (
                  <Facts
                    facts={[
                      ['Keys saved', <Saved keys={row.keys} />],
                      [
                        'Last saved',
                        row.keys === null ? (
                          'not known'
                        ) : row.keys === 0 || saved === null || list.snapshot === null ? (
                          'not in the newest verified snapshot'
                        ) : (
                          <a href={address(['snapshots', list.snapshot], { project: id })}>
                            <Time at={saved} />
                          </a>
                        ),
                      ],
                      ['Items in the database', formatKnown(row.items)],
                      ['Vectors in the index', formatKnown(row.vectors)],
                      ['Coverage', <Coverage row={row} />],
                      [
                        'Made with',
                        row.model === null ? UNKNOWN : `${row.model.name}, ${count(row.model.dimensions)} dimensions`,
                      ],
                      ['Proven', row.model?.provenAt == null ? UNKNOWN : <Time at={row.model.provenAt} />],
                    ]}
                  />
                )}
              </>
            );
          }}
        </FeedContent>
      </Panel>
    </>
  );
}
