import { FILES_HINT, FileFault, linePlace, malformedFault } from '../fault.js';
import { DatabaseFilter, type Item, type ReadingFacts, type ReadOptions } from './items.js';
import { foreignItems } from './foreign.js';
import { readLines, isOwnLine, recordItems, type Line } from './records.js';

type JsonReading = { readonly format: 'export' | 'records' | 'json'; readonly items: AsyncGenerator<Item> };

/** Detects from the first line whether this program or another tool wrote the file. */
export async function readJson(
  chunks: AsyncGenerator<Buffer>,
  facts: ReadingFacts,
  options: ReadOptions,
): Promise<JsonReading> {
  const lines = readLines(chunks);
  const first = await lines.next();
  if (first.done === true) throw new FileFault('invalid', '', 'it is empty', FILES_HINT);
  const value = parseOrUndefined(first.value.text);
  if (isOwnLine(value)) {
    const format = typeof value === 'object' && value !== null && 'k' in value ? 'records' : 'export';
    return { format, items: recordItems(prepend(first.value, lines), facts) };
  }
  return { format: 'json', items: foreignDocumentItems(prepend(first.value, lines), value, facts, options) };
}

async function* prepend(first: Line, rest: AsyncGenerator<Line>): AsyncGenerator<Line> {
  yield first;
  yield* rest;
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * One object per line; an array with one object per line (RIOT), or an array on one line; or one object with a field for
 * each key (the redis-dump of npm).
 */
async function* foreignDocumentItems(
  lines: AsyncGenerator<Line>,
  first: unknown,
  facts: ReadingFacts,
  options: ReadOptions,
): AsyncGenerator<Item> {
  const databases = new DatabaseFilter(options.database);
  if (Array.isArray(first) || isTable(first)) {
    const whole = Array.isArray(first)
      ? first
      : Object.entries(first).map(([key, value]) => ({ ...(value as object), key }));
    for (const each of whole) yield* itemsOf(each, 1, databases, options);
    await assertEnd(lines);
    remarkSkipped(facts, databases);
    return;
  }
  let inArray = false;
  let ended = false;
  for await (const { number, text } of lines) {
    let plain = text.trim();
    if (ended && plain !== '') throw malformedFault(linePlace(number), 'something follows the document', FILES_HINT);
    if (number === 1 && plain.startsWith('[')) [inArray, plain] = [true, plain.slice(1).trim()];
    if (inArray && plain.endsWith(',')) plain = plain.slice(0, -1);
    else if (inArray && plain.endsWith(']') && parseOrUndefined(plain) === undefined)
      [ended, plain] = [true, plain.slice(0, -1).trim()];
    if (plain === '') continue;
    const value = parseOrUndefined(plain);
    if (value === undefined) throw notJsonFault(number);
    yield* itemsOf(value, number, databases, options);
  }
  if (inArray && !ended) throw malformedFault('', 'it is cut short: its array has no end');
  if (!inArray)
    facts.remarks.push('nothing in the file says where it ends, so lines missing at its end cannot be detected');
  remarkSkipped(facts, databases);
}

function remarkSkipped(facts: ReadingFacts, { allSkipped }: DatabaseFilter): void {
  if (allSkipped > 0) facts.remarks.push(`keys of other databases were skipped: ${allSkipped}`);
}

async function assertEnd(lines: AsyncGenerator<Line>): Promise<void> {
  await lines.next();
  for await (const { number, text } of lines)
    if (text.trim() !== '') throw malformedFault(linePlace(number), 'something follows the document', FILES_HINT);
}

function notJsonFault(number: number): FileFault {
  const hint =
    number <= 2
      ? 'Convert a document over many lines to one object per line with `jq -c`: docs/format.md, "Files that are read".'
      : 'Copy or write the file again.';
  return malformedFault(linePlace(number), 'it is not JSON', hint);
}

/** Whether each field is a key with `type` and `value`. */
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

function* itemsOf(value: unknown, number: number, databases: DatabaseFilter, options: ReadOptions): Generator<Item> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformedFault(linePlace(number), 'it is not a JSON object', FILES_HINT);
  const fields = value as Record<string, unknown>;
  const database = parseDatabase(fields['db'], number);
  if (database === null || databases.wants(database, linePlace(number))) yield* foreignItems(fields, number, options);
}

/** The Ruby redis-dump writes the database of each key; null in other files. */
function parseDatabase(named: unknown, number: number): number | null {
  if (named === undefined || named === null) return null;
  const found = typeof named === 'string' && /^\d{1,5}$/.test(named) ? Number(named) : named;
  if (typeof found === 'number') return found;
  throw malformedFault(linePlace(number), 'its `db` is not the number of a database', FILES_HINT);
}
