import { ACTIONS, type Action, type Plan } from '../../restore/plan-counts.js';
import { estimatedUsd } from '../../snapshot/price.js';
import { count, counted, dollars, keyName, namesHint } from '../output/format.js';
import { table } from '../output/table.js';
import type { DryRunResult } from '../../restore/result.js';
import {
  danglingWords,
  doubtWords,
  erasedWords,
  lacksWords,
  listWords,
  reasonWords,
  userWords,
  workWords,
} from '../../restore/plan-words.js';
import { scopeWords, snapshotWords, targetWords } from './words.js';

/** This many keys of an action are named; the JSON document names more. */
const NAMED = 10;

const LEGEND = `write: absent   overwrite: differs   same: equal already   keep: differs, and the mode leaves it
expired: its time is over   remove: there, and not to be there`;
const MORE_LEGEND: Readonly<Partial<Record<Action, string>>> = {
  unite:
    "unite: a list that gets members, or the snapshot's expiry, and loses none   same: also a list that has all of them",
  fail: 'fail: equal but for work in flight, which becomes failed',
  blocked: 'blocked: left, since no snapshot can hold what is there',
};

/** Columns that stand there even when they are empty. */
const ALWAYS: ReadonlySet<Action> = new Set(['write', 'overwrite', 'same', 'keep', 'expired', 'remove']);

/** Whether a restore by this plan would do anything at all. */
export function changesAnything(plan: Plan): boolean {
  return changesBesideWork(plan) || plan.total.fail > 0;
}

function changesBesideWork({ lists, total, usersJoined, usersLeft }: Plan): boolean {
  return total.write + total.overwrite + total.unite + lists.moved + total.remove + usersJoined + usersLeft > 0;
}

/** What a restore would do, as a dry run found it. */
export function planView(result: DryRunResult): string {
  const { plan, spent } = result;
  const cost = `Looking took ${counted(spent.commands, 'command')}, at most ${dollars(estimatedUsd(spent.commands))}.`;
  if (!changesAnything(plan) && plan.total.blocked === 0) {
    return [...doubtWords(result), ...leftOut(plan), `${unchanged(result)}\n${cost}`].join('\n\n');
  }
  const work = workWords(plan);
  const { mode } = result;
  const head = `What ${snapshotWords(result)} would do to ${targetWords(result)} (${scopeWords(result)}, mode ${mode}):`;
  const losing = plan.lists.losing.slice(0, NAMED).map((key) => `  ${keyName(key)}`);
  const lists = listWords(plan, result.scope, losing);
  const hint = namesHint(plan.examples.map(({ key }) => ({ key, reason: '' })));
  return [
    ...doubtWords(result),
    ...(isOnlyWork(plan) ? [onlyWork(result)] : []),
    `${head}\n\n${planTable(plan)}`,
    [LEGEND, ...shown(plan).flatMap((action) => MORE_LEGEND[action] ?? [])].join('\n'),
    ...leftOut(plan),
    ...(work === null ? [] : [work]),
    ...(reasonWords(plan) === null ? [] : [reasonWords(plan) ?? '']),
    ...named(plan, 'write', 'to write'),
    ...named(plan, 'overwrite', 'to overwrite'),
    ...named(plan, 'unite', 'that are united'),
    ...named(plan, 'fail', 'whose work becomes failed'),
    ...named(plan, 'blocked', 'that are left, since what is there could not be saved first'),
    ...named(plan, 'remove', 'to remove'),
    ...(lists.length === 0 ? [] : [lists.join('\n')]),
    ...(lacksWords(plan) === null ? [] : [lacksWords(plan) ?? '']),
    ...(hint === null ? [] : [hint]),
    [...userWords(plan), cost].join('\n'),
  ].join('\n\n');
}

function leftOut(plan: Plan): string[] {
  return [erasedWords(plan), danglingWords(plan)].filter((words) => words !== null);
}

/** Modes other than `replace` do not look at what is there besides. */
function unchanged(result: DryRunResult): string {
  const { mode, plan, snapshot } = result;
  const same = `${counted(plan.total.same, 'key')} of snapshot ${snapshot} compared`;
  if (mode === 'replace') return `${asItIs(result)}: nothing would change. ${same}.`;
  const kept = plan.total.keep === 0 ? '' : ` ${counted(plan.total.keep, 'key')} differ, and mode ${mode} leaves them.`;
  return `Nothing would change: ${same}.${kept}`;
}

/** Whether the database is as the snapshot has it, but for work that was in flight. */
function isOnlyWork(plan: Plan): boolean {
  return plan.total.fail > 0 && plan.total.blocked === 0 && !changesBesideWork(plan);
}

function onlyWork(result: DryRunResult): string {
  const start = result.mode === 'replace' ? asItIs(result) : 'Nothing differs';
  return `${start}: nothing would change but work that was in flight.`;
}

function asItIs(result: DryRunResult): string {
  const what = 'all' in result.scope ? '' : ` for ${scopeWords(result)}`;
  const where = targetWords(result);
  return `${where.charAt(0).toUpperCase()}${where.slice(1)} is as the snapshot has it${what}`;
}

function shown({ total }: Plan): readonly Action[] {
  return ACTIONS.filter((action) => ALWAYS.has(action) || total[action] > 0);
}

function planTable(plan: Plan): string {
  const { byFamily, total } = plan;
  const actions = shown(plan);
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

function named({ examples, total }: Plan, action: Action, words: string): string[] {
  const keys = examples.filter((example) => example.action === action).slice(0, NAMED);
  if (keys.length === 0) return [];
  const more = total[action] - keys.length;
  const rest = more > 0 ? [`  and ${count(more)} more`] : [];
  return [[`Keys ${words}:`, ...keys.map(({ key }) => `  ${keyName(key)}`), ...rest].join('\n')];
}
