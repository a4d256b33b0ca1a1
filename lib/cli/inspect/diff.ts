import { connect } from '../../app/connect.js';
import {
  diff as compare,
  snapshotSide,
  type DiffCount,
  type KeyChange,
  type Side,
  type FieldChange,
} from '../../inspect/diff.js';
import { heldIn, findPartialSides, type Held } from '../../inspect/open.js';
import { clockOf } from '../../restore/target.js';
import { liveSide } from '../../inspect/live.js';
import type { Selection } from '../../soulcaster/selection.js';
import { selectionWords } from '../../soulcaster/selection-words.js';
import type { Text } from '../../soulcaster/text.js';
import type { Context } from '../context.js';
import { count } from '../../formats.js';
import { printable, wholeText } from '../../snapshot/ledger.js';
import { lineOutput, type LineOutput } from '../output/text.js';
import { table } from '../output/table.js';
import { openWanted, selectionOf, type InspectOptions } from './read.js';

export interface DiffOptions extends InspectOptions {
  readonly keys?: boolean;
  readonly values?: boolean;
}

const LIVE = 'live';

/**
 * `diff`: compares the keys of a snapshot with another snapshot, or with the database. With --keys or --values each change is
 * printed on a separate line, as JSON with --json; the counts come last.
 */
export async function diff(context: Context, first: string, second: string, options: DiffOptions): Promise<number> {
  const selection = selectionOf(options);
  const before = await openWanted(context, first, options);
  const { held, now, side, words } = await sideOf(context, second, selection, options);
  const { partial, within } = await findPartialSides(before, held);
  const out = lineOutput();
  const depth = options.values === true ? 'values' : options.keys === true ? 'keys' : 'counts';
  const onChange = (change: KeyChange): Promise<void> => printChange(context, out, change);
  const counts = await compare(before, side, { selection, within, depth, now, onChange });
  const from = before.manifest.id;
  const document = { from, to: words, selection, partial, counts };
  if (depth === 'counts') context.document(document);
  else if (context.json) await out.write(JSON.stringify(document));
  await out.end();
  context.print(countsText(from, words, scopeOf(selection, within), counts));
  return 0;
}

async function sideOf(
  context: Context,
  wanted: string,
  selection: Selection,
  options: DiffOptions,
): Promise<{ side: Side; words: string; held: Held | null; now: () => number }> {
  if (wanted === LIVE) {
    const { clock, redis } = connect(context.env, ['clock', 'redis'], { log: context.log });
    return { side: liveSide(redis, context.interrupt), words: LIVE, held: null, now: await clockOf(redis, clock) };
  }
  const snapshot = await openWanted(context, wanted, { replica: options.replica });
  const { id, window } = snapshot.manifest;
  const held = await heldIn(snapshot);
  return { side: snapshotSide(snapshot, selection), words: id, held, now: () => Date.parse(window.to) };
}

/** What was compared, as text. */
function scopeOf(selection: Selection, within: readonly Held[]): string {
  const holds = within.map(({ snapshot, words }) => `; ${snapshot} holds ${printable(words)}`);
  return `${selectionWords(selection)}${holds.join('')}`;
}

const SIGNS = { added: '+', removed: '-', changed: '~' } as const;

async function printChange({ interrupt, json }: Context, out: LineOutput, change: KeyChange): Promise<void> {
  if (interrupt.aborted) throw interrupt.reason;
  if (json) return out.write(JSON.stringify(change));
  const { expired, fields, key, moreFields = 0, what } = change;
  const why = expired === true ? '  (expired)' : what.length === 0 ? '' : `  (${what.join(', ')})`;
  await out.write(`${SIGNS[change.change]} ${wholeText(key)}${why}`);
  for (const field of fields ?? []) await out.write(`    ${fieldLine(field)}`);
  if (moreFields > 0) await out.write(`    and ${count(moreFields)} more`);
}

function fieldLine({ after, before, field }: FieldChange): string {
  const name = field === null ? '' : `${wholeText(field)}: `;
  if (before === null) return `+ ${name}${valueText(after)}`;
  return after === null ? `- ${name}${valueText(before)}` : `~ ${name}${valueText(before)} -> ${valueText(after)}`;
}

function valueText(text: Text | null): string {
  return text === null ? '' : printable(wholeText(text));
}

function countsText(from: string, to: string, scope: string, counts: readonly DiffCount[]): string {
  const where = to === LIVE ? 'the database' : to;
  const differing = counts.filter(({ added, changed, removed }) => added + changed + removed > 0);
  const same = counts.reduce((sum, row) => sum + row.same, 0);
  if (differing.length === 0) return `\n${from} and ${where} hold the same (${scope}): ${count(same)} keys.`;
  const rows = differing.map(({ added, changed, expired, family, project, removed, same: alike }) => [
    project === null ? '-' : printable(project),
    family,
    count(added),
    count(changed),
    count(removed),
    count(expired),
    count(alike),
  ]);
  const head = ['project', 'family', 'added', 'changed', 'removed', 'of these expired', 'same'];
  return `\nFrom ${from} to ${where} (${scope}):\n\n${table(head, rows, [2, 3, 4, 5, 6])}`;
}
