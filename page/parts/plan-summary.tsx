import type { Plan, Tally } from '../api/types.js';
import { changesAnything } from '../state/restore.js';
import { ACTION_WORDS, findChangedFamilies, summarizePlan } from '../words/plan.js';
import { count, counted } from '../words/format.js';
import { Sign } from './badge.js';
import { Table } from './table.js';
import { Words } from './words.js';

const NAMED = 10;
const COLUMNS = ['write', 'overwrite', 'unite', 'fail', 'remove', 'keep', 'blocked', 'same'] as const;
const EXAMPLES = ['overwrite', 'remove', 'fail', 'blocked', 'keep'] as const;

interface Props {
  readonly plan: Plan;
  /** Notes of the server on the plan. */
  readonly notes: readonly string[];
  readonly estimateMs?: number | null;
}

/** The effect of a restore: one sentence, the notes, the families that change, and examples of the affected keys. */
export function PlanSummary({ plan, notes, estimateMs = null }: Props) {
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

export function Notes({ notes }: Pick<Props, 'notes'>) {
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
