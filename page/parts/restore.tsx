import type { Plan, Tally, RestoredResult, RunView } from '../api/types.js';
import { changesAnything } from '../state/restore.js';
import { ACTION_WORDS, findChangedFamilies, summarizePlan } from '../words/plan.js';
import { count, counted, formatKnown, progressWords } from '../words/format.js';
import { Sign, Words, Badge, ProjectLink } from './text.js';
import { Table } from './panel.js';
import { isOver } from '../words/runs.js';
import { useRun } from '../state/app-state.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import { address } from '../words/address.js';

const NAMED = 10;
const COLUMNS = ['write', 'overwrite', 'unite', 'fail', 'remove', 'keep', 'blocked', 'same'] as const;
const EXAMPLES = ['overwrite', 'remove', 'fail', 'blocked', 'keep'] as const;

interface PlanProps {
  readonly plan: Plan;
  /** Notes of the server on the plan. */
  readonly notes: readonly string[];
  readonly estimateMs?: number | null;
}

/** The effect of a restore: one sentence, the notes, the families that change, and examples of the affected keys. */
export function PlanSummary({ plan, notes, estimateMs = null }: PlanProps) {
  if (!changesAnything(plan)) {
    const { keep, same } = plan.total;
    return (
      <>
        <p class="consequence">
          Nothing would change: {counted(same, 'key')} compared.
          {keep > 0 && ` ${counted(keep, 'key')} differ, and the mode leaves them.`}
        </p>
        <Notes notes={notes} />
      </>
    );
  }
  const families = findChangedFamilies(plan);
  const columns = COLUMNS.filter((action) => plan.total[action] > 0);
  const unchanged = Object.keys(plan.byFamily).length - families.length;
  return (
    <>
      <p class="consequence">{summarizePlan(plan, estimateMs)}</p>
      <Notes notes={notes} />
      <Table
        wide
        caption="Families of keys that change"
        columns={['Family', ...columns.map((action) => `#${ACTION_WORDS[action]}`)]}
        rows={families.map(([family, tally]) => ({ key: family, cells: [family, ...numbers(tally, columns)] }))}
      />
      {unchanged > 0 && (
        <p class="meta">{counted(unchanged, 'more family').replace('familys', 'families')} stay as they are.</p>
      )}
      {EXAMPLES.map((action) => (
        <Examples key={action} plan={plan} action={action} />
      ))}
    </>
  );
}

export function Notes({ notes }: Pick<PlanProps, 'notes'>) {
  if (notes.length === 0) return null;
  return (
    <ul class="reasons" aria-label="Notes">
      {notes.map((words) => (
        <li key={words}>
          <Sign tone="warn" />
          <span>
            <Words text={words} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function numbers(tally: Tally, columns: readonly (typeof COLUMNS)[number][]): string[] {
  return columns.map((action) => (tally[action] === 0 ? '–' : count(tally[action])));
}

function Examples({ plan, action }: { readonly plan: Plan; readonly action: (typeof EXAMPLES)[number] }) {
  const keys = plan.examples.filter((example) => example.action === action).slice(0, NAMED);
  if (keys.length === 0) return null;
  const more = plan.total[action] - keys.length;
  return (
    <details>
      <summary>
        Keys {ACTION_WORDS[action]}: {count(plan.total[action])}
      </summary>
      <ul class="names">
        {keys.map(({ key }, index) => (
          <li key={index}>
            <code>{keyName(key)}</code>
          </li>
        ))}
        {more > 0 && <li>and {count(more)} more</li>}
      </ul>
    </details>
  );
}

/** A key name arrives as text, as base64 when it is no text, or encrypted when the parts are encrypted. */
export function keyName(key: unknown): string {
  if (typeof key === 'string') return key;
  const { b } = key as { b?: unknown };
  return typeof b === 'string' ? `base64:${b}` : '(encrypted)';
}

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

const VECTOR_WORDS: Readonly<Record<string, string>> = {
  busy: 'Another re-index is running. Re-index the project when that run has ended.',
  'to-do': 'Vectors are not rebuilt yet: re-index.',
  'not-configured': 'No vector index is configured here: nothing was rebuilt.',
  failed: 'The re-index could not be started: re-index the project.',
  skipped: 'Vectors were not touched.',
};

function Vectors({ vectors: { run, state } }: { readonly vectors: Readonly<Record<string, unknown>> }) {
  if (typeof state !== 'string') return null;
  if (typeof run === 'string') return <VectorRun id={run} />;
  return <p>{VECTOR_WORDS[state] ?? `Vectors: ${state}.`}</p>;
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
