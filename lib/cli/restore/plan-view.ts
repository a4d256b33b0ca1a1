import { ACTIONS, type Action, type Plan } from '../../restore/plan-counts.js';
import { estimatedUsd } from '../../snapshot/price.js';
import { count, counted, dollars, keyName, namesHint, printable } from '../output/format.js';
import { table } from '../output/table.js';
import type { DryRunResult } from './result.js';
import { scopeWords, snapshotWords, targetWords } from './words.js';

/** So many keys of an action are named; the JSON document names more. */
const NAMED = 10;

const LEGEND = `write: absent   overwrite: differs   same: equal already   keep: differs, and the mode leaves it
expired: its time is over   remove: there, and not to be there`;
const LISTS_LEGEND = 'unite: a list that gets members and loses none   same: also a list that has all of them';

/** Whether a restore by this plan would do anything at all. */
export function changesAnything({ lists, total, usersJoined, usersLeft }: Plan): boolean {
  return total.write + total.overwrite + total.unite + lists.moved + total.remove + usersJoined + usersLeft > 0;
}

/** What a restore would do, as a dry run found it. */
export function planView(result: DryRunResult): string {
  const { plan, spent } = result;
  const cost = `Looking took ${counted(spent.commands, 'command')}, at most ${dollars(estimatedUsd(spent.commands))}.`;
  if (!changesAnything(plan)) return [...doubtLines(result), `${unchanged(result)}\n${cost}`].join('\n\n');
  const { mode } = result;
  const head = `What ${snapshotWords(result)} would do to ${targetWords(result)} (${scopeWords(result)}, mode ${mode}):`;
  const joined =
    plan.usersJoined === 0 ? [] : [`The project is put on the list of ${counted(plan.usersJoined, 'user')}.`];
  const left = plan.usersLeft === 0 ? [] : [`The project is taken off the list of ${counted(plan.usersLeft, 'user')}.`];
  const hint = namesHint(plan.examples.map(({ key }) => ({ key, reason: '' })));
  return [
    ...doubtLines(result),
    `${head}\n\n${planTable(plan)}`,
    plan.total.unite > 0 ? `${LEGEND}\n${LISTS_LEGEND}` : LEGEND,
    ...named(plan, 'overwrite', 'to overwrite'),
    ...named(plan, 'unite', 'that get members'),
    ...named(plan, 'remove', 'to remove'),
    ...listsView(plan),
    ...(hint === null ? [] : [hint]),
    [...joined, ...left, cost].join('\n'),
  ].join('\n\n');
}

/** Modes other than `replace` do not look at what is there besides. */
function unchanged(result: DryRunResult): string {
  const { mode, plan, snapshot } = result;
  const same = `${counted(plan.total.same, 'key')} of snapshot ${snapshot} compared`;
  if (mode === 'replace') {
    const what = 'all' in result.scope ? '' : ` for ${scopeWords(result)}`;
    const where = targetWords(result);
    const sentence = `${where} is as the snapshot has it${what}: nothing would change.`;
    return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)} ${same}.`;
  }
  const kept = plan.total.keep === 0 ? '' : ` ${counted(plan.total.keep, 'key')} differ, and mode ${mode} leaves them.`;
  return `Nothing would change: ${same}.${kept}`;
}

function listsView({ lists: { added, moved, wrongType } }: Plan): string[] {
  const lines = [
    ...(added === 0 ? [] : [`Members that lists get, or that get the snapshot's score: ${count(added)}.`]),
    ...(moved === 0 ? [] : [`Members that move to the list where the snapshot has them: ${count(moved)}.`]),
    ...(wrongType === 0 ? [] : [`Lists that are of another type in the target: ${count(wrongType)}.`]),
  ];
  return lines.length === 0 ? [] : [lines.join('\n')];
}

/** A doubtful snapshot can be restored by its id; whoever does must know. */
function doubtLines({ names, snapshot }: DryRunResult): string[] {
  const { doubts } = names.snapshot;
  return doubts.length === 0 ? [] : [`Snapshot ${snapshot} is doubtful: ${doubts.map(printable).join('; ')}.`];
}

function planTable({ byFamily, total }: Plan): string {
  const shown = ACTIONS.filter((action) => action !== 'unite' || total.unite > 0);
  const row = (name: string, tally: Plan['total']): string[] => [
    name,
    ...shown.map((action) => (tally[action] === 0 ? '-' : count(tally[action]))),
  ];
  const families = Object.entries(byFamily).sort(([a], [b]) => (a < b ? -1 : 1));
  return table(
    ['family', ...shown],
    [...families.map(([family, tally]) => row(family, tally)), row('total', total)],
    shown.map((_, column) => column + 1),
  );
}

function named({ examples, total }: Plan, action: Action, words: string): string[] {
  const keys = examples.filter((example) => example.action === action).slice(0, NAMED);
  if (keys.length === 0) return [];
  const more = total[action] - keys.length;
  const rest = more > 0 ? [`  and ${count(more)} more`] : [];
  return [[`Keys ${words}:`, ...keys.map(({ key }) => `  ${keyName(key)}`), ...rest].join('\n')];
}
