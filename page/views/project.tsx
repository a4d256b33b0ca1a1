import { Facts } from '../parts/facts.js';
import { FeedContent, Panel } from '../parts/panel.js';
import { Time } from '../parts/time.js';
import { projectName, useAppState } from '../state/app-state.js';
import { EVERY } from '../state/pace.js';
import { address } from '../words/address.js';
import { count, formatKnown, UNKNOWN } from '../words/format.js';
import { timeOfId } from '../words/run-words.js';
import { Coverage, Reach, Saved } from './projects.js';

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
