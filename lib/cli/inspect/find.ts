import { connect } from '../../app/connect.js';
import { protectedDatabase } from '../../app/connect/database.js';
import { AppError } from '../../errors.js';
import { selectKey, type Query } from '../../inspect/find.js';
import { openAll, searchSnapshots, type History, type KeyHistory } from '../../inspect/history.js';
import type { OpenSnapshot } from '../../inspect/open.js';
import { trustContext } from '../../snapshot/trust.js';
import { parseSelection } from '../../soulcaster/selection.js';
import type { Context } from '../context.js';
import { count, counted } from '../../formats.js';
import { printable, wholeText } from '../../snapshot/ledger.js';
import { table } from '../output/table.js';
import { inspectPorts, openWanted, type InspectOptions } from './read.js';

export interface FindOptions extends Pick<InspectOptions, 'at' | 'family' | 'project' | 'replica'> {
  /** A pattern, or a whole key. */
  readonly key?: string;
  readonly in?: string;
  readonly all?: boolean;
  readonly limit: number;
}

/** `find`: finds keys by text or pattern and, with --all, the snapshots that have them and when they disappeared. */
export async function find(context: Context, text: string | undefined, options: FindOptions): Promise<number> {
  const query = queryOf(text, options);
  const { opened, skipped } = await openSnapshots(context, options);
  const onSnapshot = options.all === true && context.onTerminal ? noteSearched(context) : undefined;
  const { clock } = connect(context.env, ['clock']);
  const found = await searchSnapshots(opened, query, { limit: options.limit, now: clock.now(), onSnapshot });
  const result = { ...found, skipped: [...skipped, ...found.skipped] };
  for (const { id, why } of result.skipped)
    context.note(`warning: ${id} was not searched completely: ${printable(why)}`);
  context.document(result);
  context.print(resultText(result, options));
  return result.keys.length > 0 ? 0 : 10;
}

function queryOf(text: string | undefined, { family, key, project }: FindOptions): Query {
  if (text?.trim() === '' || (text === undefined && key === undefined)) {
    throw new AppError('usage', 'Neither a text nor --key is given', {
      hint: 'Give a text (an id, a title, a name), or a key or pattern with --key.',
    });
  }
  const others = { family, project };
  return { selection: key === undefined ? parseSelection(others) : selectKey(key, others), text: text ?? null };
}

async function openSnapshots(
  context: Context,
  options: FindOptions,
): Promise<{ opened: readonly OpenSnapshot[]; skipped: History['skipped'] }> {
  const { at, replica } = options;
  if (options.all !== true) {
    return { opened: [await openWanted(context, options.in ?? 'latest', { at, replica })], skipped: [] };
  }
  if (options.in !== undefined || options.at !== undefined) {
    throw new AppError('usage', '--all cannot be used with --in or --at', { hint: 'Give only one of them.' });
  }
  const ports = inspectPorts(context, options.replica);
  const found = await openAll(ports, await trustContext(ports, protectedDatabase(context.env).source));
  if (found.opened.length + found.skipped.length > 0) return found;
  throw new AppError('not-found', 'There is no snapshot of this database yet', {
    hint: 'Take one: `npx soulcaster-backup backup --env-file .env`.',
  });
}

function noteSearched(context: Context) {
  return ({ id, keys }: History['searched'][number]): void => context.note(`${id}: ${counted(keys, 'key')}`);
}

function resultText({ keys, more, searched }: History, { all, limit }: FindOptions): string {
  const [only] = searched;
  if (keys.length === 0) {
    const where = searched.length === 1 ? (only?.id ?? '') : counted(searched.length, 'snapshot');
    const hint = all === true ? '' : '\nSearch all snapshots with --all.';
    return `Nothing found in ${where}.${hint}`;
  }
  const head = ['key', 'family', 'what', 'where'];
  const rows = keys.map((key) => [...cells(key), ...(all === true ? timeline(key) : [])]);
  const lines = [table(all === true ? [...head, 'first in', 'last in', 'gone since'] : head, rows)];
  if (more) lines.push(`Only the first ${count(limit)} are listed: narrow the search, or raise --limit.`);
  if (all === true) lines.push(`${counted(searched.length, 'snapshot')} searched.`);
  return lines.join('\n\n');
}

function cells({ excerpt, family, key, title, where }: KeyHistory): string[] {
  const place = where === null ? '' : `${wholeText(where)}: ${printable(excerpt ?? '')}`;
  return [printable(wholeText(key)), family, title === null ? '' : printable(title), printable(place)];
}

function timeline({ firstIn, goneSince, lastIn }: KeyHistory): string[] {
  return [firstIn, lastIn, goneSince === null ? '-' : `${goneSince.takenAt} (${goneSince.id})`];
}
