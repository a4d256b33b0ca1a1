import type { RestoredResult, RunView } from '../api/types.js';
import { isOver } from '../state/runs.js';
import { useRun } from '../state/use-run.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import { address } from '../words/address.js';
import { count, formatKnown, progressWords } from '../words/format.js';
import { Badge } from './badge.js';
import { ProjectLink } from './names.js';
import { Table } from './table.js';

type Restored = RestoredResult['projects'][number];

/** The result of a restore: each project as the application would read it, and the state of its vectors. */
export function RestoreResult({ run }: { readonly run: RunView }) {
  const { projects, vectors } = fieldsOf(run.result);
  const shown = Array.isArray(projects) ? (projects as Restored[]) : [];
  return (
    <>
      {shown.length > 0 && (
        <Table
          caption="Projects, as the application would read them"
          columns={['Project', 'Loads', '#Feedback', '#Clusters', 'Broken rules']}
          rows={shown.map((one) => ({
            key: one.project,
            cells: [
              <ProjectLink id={one.project} />,
              <Badge tone={one.loads ? 'good' : 'bad'}>{one.loads ? 'loads' : 'does not load'}</Badge>,
              count(one.feedback),
              count(one.clusters),
              one.violations.length === 0
                ? 'none'
                : one.violations.map(({ rule, count: times }) => `${rule} (${formatKnown(times)})`).join(', '),
            ],
          }))}
        />
      )}
      <Vectors vectors={fieldsOf(vectors)} />
    </>
  );
}

const WORDS: Readonly<Record<string, string>> = {
  busy: 'Another re-index is running. Re-index the project when that run has ended.',
  'to-do': 'Vectors are not rebuilt yet: re-index.',
  'not-configured': 'No vector index is configured here: nothing was rebuilt.',
  failed: 'The re-index could not be started: re-index the project.',
  skipped: 'Vectors were not touched.',
};

function Vectors({ vectors: { run, state } }: { readonly vectors: Readonly<Record<string, unknown>> }) {
  if (typeof state !== 'string') return null;
  if (typeof run === 'string') return <VectorRun id={run} />;
  return <p>{WORDS[state] ?? `Vectors: ${state}.`}</p>;
}

/** The progress of the re-index that a restore started. */
function VectorRun({ id }: { readonly id: string }) {
  const [{ data }] = useRun(id);
  return (
    <p>
      Vectors:{' '}
      <a href={address(['runs', id])}>
        {data === null
          ? 'being rebuilt'
          : isOver(data.state)
            ? `re-index ${data.state}`
            : `${data.doing}, ${progressWords(data.progress)}`}
      </a>
    </p>
  );
}
