import { ACTIONS, type Plan, type Tally } from '../api/types.js';
import { Table } from '../parts/table.js';
import { changesAnything } from '../state/restore.js';
import { count, counted } from '../words/format.js';
import type { Wanted } from './restore.js';

const NAMED = 10;

/** What a restore would do, by family of keys, and the first keys that would be lost. */
export function PlanTable({ plan, wanted }: { readonly plan: Plan; readonly wanted: Wanted }) {
  const families = Object.entries(plan.byFamily).sort(([a], [b]) => (a < b ? -1 : 1));
  if (!changesAnything(plan)) {
    return (
      <p>
        Nothing would change: {counted(plan.total.same, 'key')} compared.
        {plan.total.keep > 0 && ` ${counted(plan.total.keep, 'key')} differ, and mode ${wanted.mode} leaves them.`}
      </p>
    );
  }
  return (
    <div class="plan">
      <Table
        wide
        caption="The plan: keys by family, and what becomes of them"
        columns={['Family', ...ACTIONS.map((action) => `#${action}`)]}
        rows={families.map(([family, tally]) => ({ key: family, cells: [family, ...numbers(tally)] }))}
        foot={['total', ...numbers(plan.total)]}
      />
      <p class="hint">
        write: absent now. overwrite: differs. unite: a list that gets members. same: equal already. keep: differs, and
        the mode leaves it. expired: its time is over. remove: there now and not in the snapshot. fail: equal, but work
        that was in flight becomes failed. blocked: left as it is, since no snapshot can hold what is there now.
      </p>
      {plan.usersJoined > 0 && <p>The project is put on the list of {counted(plan.usersJoined, 'user')}.</p>}
      <Examples plan={plan} action="overwrite" words="Keys to overwrite" />
      <Examples plan={plan} action="fail" words="Keys whose work becomes failed" />
      <Examples plan={plan} action="blocked" words="Keys that are left" />
      <Examples plan={plan} action="remove" words="Keys to remove" />
    </div>
  );
}

function numbers(tally: Tally): string[] {
  return ACTIONS.map((action) => ((tally[action] ?? 0) === 0 ? '–' : count(tally[action] ?? 0)));
}

function Examples({
  plan,
  action,
  words,
}: {
  readonly plan: Plan;
  readonly action: keyof Tally;
  readonly words: string;
}) {
  const keys = plan.examples.filter((example) => example.action === action).slice(0, NAMED);
  if (keys.length === 0) return null;
  const total = plan.total[action] ?? 0;
  const more = total - keys.length;
  return (
    <details>
      <summary>
        {words}: {count(total)}
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

/** Names come as text, as the base64 of what is no text, or sealed where parts are encrypted. */
function keyName(key: unknown): string {
  if (typeof key === 'string') return key;
  const { b } = key as { b?: unknown };
  return typeof b === 'string' ? `base64:${b}` : '(encrypted)';
}
