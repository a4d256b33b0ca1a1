import type { DryRunResult } from '../../restore/result.js';
import type { RestoreInput } from '../../restore/model.js';
import { scopeWords as wordsOf } from '../../restore/scope-words.js';
import { printable, keyName, namesHint } from '../../snapshot/ledger.js';
import { ACTIONS, type Action, type Plan } from '../../restore/plan.js';
import { estimatedUsd } from '../../snapshot/kinds.js';
import { count, counted, dollars } from '../../formats.js';
import { table } from '../output/table.js';
import {
  danglingWords,
  doubtWords,
  erasedWords,
  lacksWords,
  listWords,
  reasonWords,
  snapshotName,
  userWords,
  workWords,
} from '../../restore/plan-words.js';

/** `everything`, `project p`, `keys matching feedback:*, family config`, `item p/1`. */
export function scopeWords({ scope }: Pick<RestoreInput, 'scope'>): string {
  return printable(wordsOf(scope));
}

/** `the database DB (label)` or `target t (DB)`, DB being its host. */
export function targetWords({ names, target }: DryRunResult): string {
  const { host, label, source } = names.database;
  const where = host ?? `source ${source}`;
  const named = label === null ? where : `${where} (${printable(label)})`;
  return target === null ? `the database ${named}` : `target ${printable(target)} (${where})`;
}

/** `snapshot 20261122T020000Z-x7k2m9 (label)`, with its source if it is of another database, or `file dump.rdb`. */
export function snapshotWords({ file, names, snapshot }: DryRunResult): string {
  if (file !== null) return printable(snapshotName({ file, snapshot }));
  const { label, own, source } = names.snapshot;
  const named = label === null ? '' : ` (${printable(label)})`;
  return own ? `snapshot ${snapshot}${named}` : `snapshot ${snapshot} of ANOTHER DATABASE, source ${source}${named},`;
}

/** How many keys of an action are listed; the JSON document lists more. */
const NAMED = 10;

const LEGEND = `write: absent   overwrite: differs   same: already equal   keep: differs, but the mode leaves it
expired: expired meanwhile   remove: not in the snapshot`;
const MORE_LEGEND: Readonly<Partial<Record<Action, string>>> = {
  unite:
    "unite: a list that gains members, or the snapshot's expiry, and loses none   same: also a list that has all of them",
  fail: 'fail: equal except for jobs in flight, which become failed',
  blocked: 'blocked: left unchanged, because no snapshot can hold the present value',
};

/** Columns that are shown even when they are empty. */
const ALWAYS: ReadonlySet<Action> = new Set(['write', 'overwrite', 'same', 'keep', 'expired', 'remove']);

/** Whether a restore with this plan would change anything. */
export function changesAnything(plan: Plan): boolean {
  return changesBesideWork(plan) || plan.total.fail > 0;
}

function changesBesideWork({ lists, total, usersJoined, usersLeft }: Plan): boolean {
  return total.write + total.overwrite + total.unite + lists.moved + total.remove + usersJoined + usersLeft > 0;
}

/** The plan of a restore, as text. */
export function planView(result: DryRunResult): string {
  const { plan, spent } = result;
  const cost = `The dry run took ${counted(spent.commands, 'command')}, at most ${dollars(estimatedUsd(spent.commands))}.`;
  if (!changesAnything(plan) && plan.total.blocked === 0) {
    return [...doubtWords(result), ...leftOutLines(plan), `${unchangedText(result)}\n${cost}`].join('\n\n');
  }
  const work = workWords(plan);
  const { mode } = result;
  const head = `What ${snapshotWords(result)} would do to ${targetWords(result)} (${scopeWords(result)}, mode ${mode}):`;
  const losing = plan.lists.losing.slice(0, NAMED).map((key) => `  ${keyName(key)}`);
  const lists = listWords(plan, result.scope, losing);
  const hint = namesHint(plan.examples.map(({ key }) => ({ key, reason: '' })));
  return [
    ...doubtWords(result),
    ...(isOnlyWork(plan) ? [onlyWorkText(result)] : []),
    `${head}\n\n${planTable(plan)}`,
    [LEGEND, ...shownActions(plan).flatMap((action) => MORE_LEGEND[action] ?? [])].join('\n'),
    ...leftOutLines(plan),
    ...(work === null ? [] : [work]),
    ...(reasonWords(plan) === null ? [] : [reasonWords(plan) ?? '']),
    ...namedKeys(plan, 'write', 'to write'),
    ...namedKeys(plan, 'overwrite', 'to overwrite'),
    ...namedKeys(plan, 'unite', 'to unite'),
    ...namedKeys(plan, 'fail', 'whose jobs become failed'),
    ...namedKeys(plan, 'blocked', 'left unchanged, because the present value could not be saved first'),
    ...namedKeys(plan, 'remove', 'to remove'),
    ...(lists.length === 0 ? [] : [lists.join('\n')]),
    ...(lacksWords(plan) === null ? [] : [lacksWords(plan) ?? '']),
    ...(hint === null ? [] : [hint]),
    [...userWords(plan), cost].join('\n'),
  ].join('\n\n');
}

function leftOutLines(plan: Plan): string[] {
  return [erasedWords(plan), danglingWords(plan)].filter((words) => words !== null);
}

/** Says that nothing would change. Modes other than `replace` do not read keys that only the target has. */
function unchangedText(result: DryRunResult): string {
  const { mode, plan } = result;
  const same = `${counted(plan.total.same, 'key')} of ${printable(snapshotName(result))} compared`;
  if (mode === 'replace') return `${asInSnapshot(result)}: nothing would change. ${same}.`;
  const kept = plan.total.keep === 0 ? '' : ` ${counted(plan.total.keep, 'key')} differ, and mode ${mode} leaves them.`;
  return `Nothing would change: ${same}.${kept}`;
}

/** Whether the database equals the snapshot except for jobs in flight. */
function isOnlyWork(plan: Plan): boolean {
  return plan.total.fail > 0 && plan.total.blocked === 0 && !changesBesideWork(plan);
}

function onlyWorkText(result: DryRunResult): string {
  const start = result.mode === 'replace' ? asInSnapshot(result) : 'Nothing differs';
  return `${start}: nothing would change except jobs in flight.`;
}

function asInSnapshot(result: DryRunResult): string {
  const what = 'all' in result.scope ? '' : ` for ${scopeWords(result)}`;
  const where = targetWords(result);
  return `${where.charAt(0).toUpperCase()}${where.slice(1)} already equals the snapshot${what}`;
}

function shownActions({ total }: Plan): readonly Action[] {
  return ACTIONS.filter((action) => ALWAYS.has(action) || total[action] > 0);
}

function planTable(plan: Plan): string {
  const { byFamily, total } = plan;
  const actions = shownActions(plan);
  const row = (name: string, tally: Plan['total']): string[] => [
    name,
    ...actions.map((action) => (tally[action] === 0 ? '-' : count(tally[action]))),
  ];
  const families = Object.entries(byFamily).sort(([a], [b]) => (a < b ? -1 : 1));
  return table(
    ['family', ...actions],
    [...families.map(([family, tally]) => row(family, tally)), row('total', total)],
    actions.map((_, column) => column + 1),
  );
}

function namedKeys({ examples, total }: Plan, action: Action, words: string): string[] {
  const keys = examples.filter((example) => example.action === action).slice(0, NAMED);
  if (keys.length === 0) return [];
  const more = total[action] - keys.length;
  const rest = more > 0 ? [`  and ${count(more)} more`] : [];
  return [[`Keys ${words}:`, ...keys.map(({ key }) => `  ${keyName(key)}`), ...rest].join('\n')];
}
