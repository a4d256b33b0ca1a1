import { useState } from 'preact/hooks';
import type { Project, ProjectList } from '../api/types.js';
import { Badge } from '../parts/badge.js';
import { Table } from '../parts/table.js';
import { count, known, percent, UNKNOWN } from '../words/format.js';
import type { Tone } from '../words/tone.js';

const FIRST = 20;

const WITHOUT: Readonly<Record<ProjectList['vectors'], string | null>> = {
  ok: null,
  'not-configured': 'No vector index is configured here.',
  unavailable: 'The vector index does not answer: coverage is not known.',
};

/** What is saved and what is searchable of each project. */
export function Projects({ list }: { readonly list: ProjectList }) {
  const [all, setAll] = useState(false);
  const without = WITHOUT[list.vectors];
  if (list.projects.length === 0) return <p class="empty">There are no projects.</p>;
  const shown = all ? list.projects : list.projects.slice(0, FIRST);
  return (
    <>
      {without !== null && <p class="hint">{without}</p>}
      <Table
        caption="Projects: keys in the newest verified snapshot, feedback items, and vectors of them"
        columns={['Project', '#Keys saved', '#Items', '#Vectors', 'Coverage']}
        rows={shown.map((project) => ({ key: project.project, cells: cellsOf(project) }))}
      />
      {shown.length < list.projects.length && (
        <button type="button" class="quiet" onClick={() => setAll(true)}>
          Show all {count(list.projects.length)}
        </button>
      )}
    </>
  );
}

function cellsOf({ project, keys, items, vectors, pending }: Project) {
  const waiting = pending !== null && pending > 0 ? <span class="meta"> {count(pending)} pending</span> : null;
  return [
    <span class="name">{project}</span>,
    keys === null ? <Badge tone="warn">not saved</Badge> : count(keys),
    known(items),
    <>
      {known(vectors)}
      {waiting}
    </>,
    <Coverage items={items} vectors={vectors} />,
  ];
}

function Coverage({ items, vectors }: Pick<Project, 'items' | 'vectors'>) {
  if (items === null || vectors === null) return <>{UNKNOWN}</>;
  const [tone, words] = coverage(items, vectors);
  return <Badge tone={tone}>{words}</Badge>;
}

/** Vectors without an item are as wrong as items without a vector. */
export function coverage(items: number, vectors: number): readonly [Tone, string] {
  if (items === 0 && vectors === 0) return ['plain', 'empty'];
  if (vectors > items) return ['warn', `${count(vectors - items)} too many`];
  return [vectors === items ? 'good' : 'warn', percent(vectors, items)];
}
