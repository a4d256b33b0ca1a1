import { Facts } from '../parts/facts.js';
import { Fed, Panel } from '../parts/panel.js';
import { Time } from '../parts/time.js';
import { projectName, useDesk } from '../state/desk.js';
import { EVERY } from '../state/pace.js';
import { address } from '../words/address.js';
import { count, known, UNKNOWN } from '../words/format.js';
import { timeOfId } from '../words/run-words.js';
import { Coverage, Reach, Saved } from './projects.js';

/** One project by its name: what is saved, what is searchable, and the ways to bring either back. */
export function ProjectView({ id }: { readonly id: string }) {
  const { projects, refresh } = useDesk();
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
        <Fed what="The project" feed={projects} everyMs={EVERY.projects} onRetry={refresh.projects}>
          {(list) => {
            const row = list.projects.find(({ project }) => project === id);
            const saved = list.snapshot === null ? null : timeOfId(list.snapshot);
            return (
              <>
                <Reach list={list} />
                {row === undefined && (
                  <p>
                    Neither the newest verified snapshot, nor the database, nor the index has it. An older snapshot may:
                    look into <a href={address(['snapshots'])}>one</a>.
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
                      ['Items in the database', known(row.items)],
                      ['Vectors in the index', known(row.vectors)],
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
        </Fed>
      </Panel>
    </>
  );
}
