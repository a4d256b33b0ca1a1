import { FileFault, lineOf, malformed } from '../fault.js';
import { severalDatabases } from '../rdb/index.js';
import { foreignItems } from './foreign.js';
import type { Item, ReadingFacts, ReadOptions } from './items.js';
import { linesOf, type Line } from './lines.js';
import { isOwnLine, recordItems } from './records.js';

type JsonReading = { readonly format: 'export' | 'records' | 'json'; readonly items: AsyncGenerator<Item> };

/** Tells this program's lines from those of other tools by the first one. */
export async function readJson(
  chunks: AsyncGenerator<Buffer>,
  facts: ReadingFacts,
  options: ReadOptions,
): Promise<JsonReading> {
  const lines = linesOf(chunks);
  const first = await lines.next();
  if (first.done === true) throw new FileFault('invalid', '', 'it is empty', HINT);
  const value = parsed(first.value.text);
  if (isOwnLine(value)) {
    const format = typeof value === 'object' && value !== null && 'k' in value ? 'records' : 'export';
    return { format, items: recordItems(joined(first.value, lines), facts) };
  }
  return { format: 'json', items: foreign(joined(first.value, lines), value, facts, options) };
}

const HINT = 'Files that are read, and which tools write them: docs/format.md, "Files that are read".';

async function* joined(first: Line, rest: AsyncGenerator<Line>): AsyncGenerator<Line> {
  yield first;
  yield* rest;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * One object a line; the same as an array with one object a line, as RIOT writes it, or as an array on one line; or one
 * object with a field for each key, as the redis-dump of npm writes it.
 */
async function* foreign(
  lines: AsyncGenerator<Line>,
  first: unknown,
  facts: ReadingFacts,
  options: ReadOptions,
): AsyncGenerator<Item> {
  const bases = databaseFilter(facts, options);
  if (Array.isArray(first) || isTable(first)) {
    const whole = Array.isArray(first)
      ? first
      : Object.entries(first).map(([key, value]) => ({ ...(value as object), key }));
    for (const each of whole) yield* itemsOf(each, 1, bases, options);
    await demandEnd(lines);
    bases.end();
    return;
  }
  let inArray = false;
  let ended = false;
  for await (const { number, text } of lines) {
    let plain = text.trim();
    if (ended && plain !== '') throw malformed(lineOf(number), 'something follows the document', HINT);
    if (number === 1 && plain.startsWith('[')) [inArray, plain] = [true, plain.slice(1).trim()];
    if (inArray && plain.endsWith(',')) plain = plain.slice(0, -1);
    else if (inArray && plain.endsWith(']') && parsed(plain) === undefined)
      [ended, plain] = [true, plain.slice(0, -1).trim()];
    if (plain === '') continue;
    const value = parsed(plain);
    if (value === undefined) throw noJson(number);
    yield* itemsOf(value, number, bases, options);
  }
  if (inArray && !ended) throw malformed('', 'it is cut short: its array has no end');
  if (!inArray)
    facts.remarks.push(
      'nothing in the file says where it ends, so that lines that were left out at its end would not show',
    );
  bases.end();
}

async function demandEnd(lines: AsyncGenerator<Line>): Promise<void> {
  await lines.next();
  for await (const { number, text } of lines)
    if (text.trim() !== '') throw malformed(lineOf(number), 'something follows the document', HINT);
}

function noJson(number: number): FileFault {
  const hint =
    number <= 2
      ? 'A document over many lines is brought to one object a line with `jq -c`: docs/format.md, "Files that are read".'
      : 'Copy or write the file again.';
  return malformed(lineOf(number), 'it is no JSON', hint);
}

/** Each value has its own type and value. */
function isTable(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const [some] = Object.values(value) as unknown[];
  return (
    !('key' in value && typeof value.key === 'string') &&
    typeof some === 'object' &&
    some !== null &&
    'type' in some &&
    'value' in some
  );
}

function* itemsOf(value: unknown, number: number, bases: DatabaseFilter, options: ReadOptions): Generator<Item> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(lineOf(number), 'it is no JSON object', HINT);
  const fields = value as Record<string, unknown>;
  if (bases.wants(fields['db'], number)) yield* foreignItems(fields, number, options);
}

interface DatabaseFilter {
  wants(database: unknown, number: number): boolean;
  end(): void;
}

/** The Ruby redis-dump says of each key which database it is in. */
function databaseFilter(facts: ReadingFacts, { database }: ReadOptions): DatabaseFilter {
  let only: number | null = null;
  let passed = 0;
  return {
    wants(named, number) {
      if (named === undefined || named === null) return true;
      const found = typeof named === 'string' && /^\d{1,5}$/.test(named) ? Number(named) : named;
      if (typeof found !== 'number') throw malformed(lineOf(number), 'its `db` is no number of a database', HINT);
      if (database !== null && found !== database) {
        passed += 1;
        return false;
      }
      only ??= found;
      if (only !== found) throw severalDatabases(only, found, lineOf(number));
      return true;
    },
    end() {
      if (passed > 0) facts.remarks.push(`keys of other databases were passed over: ${passed}`);
    },
  };
}
