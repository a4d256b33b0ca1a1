import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { keyOf, type RecordLine, type StreamValue } from '../../snapshot/record.js';
import { linePlace, malformedFault, cutShortFault, FileFault } from '../fault.js';
import type { Item, ReadingFacts } from './items.js';
import { checkLine, comesAfter } from './checks.js';

const NEWLINE = 0x0a;
/** The largest line of a snapshot: one reply of 10 MiB, whose bytes JSON may escape to six times as many. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** A line without its line end. */
export interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
  /** Whether the line has a line end: only the last may have none. */
  readonly ended: boolean;
}

/** The lines of UTF-8 text. Keeps at most one line of `maxBytes` in memory; throws FileFault for a longer one. */
export async function* readLines(chunks: AsyncIterable<Buffer>, maxBytes = MAX_LINE_BYTES): AsyncGenerator<Line> {
  let open: Buffer[] = [];
  let openBytes = 0;
  let number = 1;
  const takeLine = (end: Buffer, ended: boolean): Line => {
    const bytes = open.length === 0 ? end : Buffer.concat([...open, end]);
    open = [];
    openBytes = 0;
    if (!isUtf8(bytes)) throw notUtf8Fault(number);
    const text = bytes.toString('utf8');
    // Some editors and shells write a byte order mark at the beginning.
    return { text: number === 1 ? text.replace(/^\uFEFF/, '') : text, number: number++, ended };
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      yield takeLine(chunk.subarray(from, at), true);
      from = at + 1;
    }
    if (from === chunk.length) continue;
    open.push(chunk.subarray(from));
    openBytes += chunk.length - from;
    if (openBytes > maxBytes) throw tooLongFault(number, maxBytes);
  }
  if (open.length > 0) yield takeLine(Buffer.alloc(0), false);
}

function notUtf8Fault(number: number) {
  return malformedFault(
    linePlace(number),
    'it is not UTF-8',
    'Binary data needs a format that can hold it: an export of this program, or an RDB file.',
  );
}

function tooLongFault(number: number, maxBytes: number) {
  return malformedFault(
    linePlace(number),
    `it has no end within ${maxBytes / 1024 / 1024} MiB`,
    'This is not a dump with one object per line. Supported formats: docs/format.md.',
  );
}

/** The field that marks the first and last line of an export. */
export const MARK = 'soulcaster-backup';
export const EXPORT_VERSION = 1;

const text = z.union([z.string(), z.strictObject({ b: z.string() })]);

const headSchema = z.object({
  [MARK]: z.literal('export'),
  formatVersion: z.number().int(),
  snapshot: z.string(),
  source: z.string(),
  label: z.string().optional(),
  window: z.object({ from: z.string(), to: z.string() }),
  state: z.enum(['complete', 'incomplete']),
  lacks: z.number().int().nonnegative(),
  unsupported: z.record(z.string(), z.number().int().positive()),
  selection: z
    .object({
      projects: z.array(z.string()),
      families: z.array(z.string()),
      matches: z.array(z.string()),
      keys: z.array(text),
    })
    .nullable(),
});

const endSchema = z.object({ [MARK]: z.literal('end'), keys: z.number().int(), lines: z.number().int() });

/** Whether this program wrote the first line. */
export function isOwnLine(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return MARK in value || ('k' in value && 't' in value && 'v' in value);
}

/** The records of an export, of a part, or of concatenated parts. Every line is checked. */
export async function* recordItems(lines: AsyncGenerator<Line>, facts: ReadingFacts): AsyncGenerator<Item> {
  const open = new OpenRecord();
  let [seen, keys, lastNumber] = [0, 0, 0];
  let ended = false;
  for await (const line of lines) {
    const { number } = line;
    const where = linePlace(number);
    if (ended) throw malformedFault(where, 'it comes after the line that says where the export ends');
    if (!line.ended) throw cutShortFault(where, 'its last line has no end');
    const value = parseObject(line);
    lastNumber = number;
    if (MARK in value) {
      if (number === 1) readHead(value, facts);
      else ended = checkEnd(value, where, seen, keys);
      continue;
    }
    const record = checkLine(value, where);
    seen += 1;
    if (record.i === undefined || record.i === 0) keys += 1;
    yield* open.addLine(record, where, facts.head !== null);
  }
  yield* open.end(linePlace(lastNumber), facts.head !== null);
  if (facts.head !== null && !ended)
    throw cutShortFault(linePlace(lastNumber), 'the line that ends an export is missing');
  if (facts.head === null)
    facts.remarks.push('nothing in the file says where it ends, so lines missing at its end cannot be detected');
}

/** Throws FileFault for a line that is not a JSON object. */
function parseObject({ number, text: json }: Line): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw malformedFault(linePlace(number), 'it is not JSON');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw malformedFault(linePlace(number), 'it is not a JSON object');
}

function readHead(value: Record<string, unknown>, facts: ReadingFacts): void {
  const version = value['formatVersion'];
  if (typeof version === 'number' && version > EXPORT_VERSION) {
    throw new FileFault(
      'newer-format',
      linePlace(1),
      `it was written by a newer version: its format is ${version}`,
      'Use the version of soulcaster-backup that wrote it, or a newer one.',
    );
  }
  const parsed = headSchema.safeParse(value);
  if (!parsed.success) throw malformedFault(linePlace(1), 'the first line of the export was altered');
  facts.head = parsed.data as unknown as NonNullable<ReadingFacts['head']>;
  const at = Date.parse(parsed.data.window.to);
  facts.takenAt = Number.isNaN(at) ? null : at;
}

function checkEnd(value: Record<string, unknown>, where: string, lines: number, keys: number): boolean {
  const parsed = endSchema.safeParse(value);
  if (!parsed.success) throw malformedFault(where, 'the last line of the export was altered');
  if (parsed.data.lines === lines && parsed.data.keys === keys) return true;
  throw malformedFault(
    where,
    `${lines} lines with ${keys} keys are before it, but ${parsed.data.lines} with ${parsed.data.keys} were written`,
  );
}

/** The lines of one record follow one another, with the same key, type and expiry, numbered from 0. */
class OpenRecord {
  private open: { key: string; line: RecordLine; next: number } | null = null;
  /** The key whose lines are skipped because its record begins in a part that is not in the file. */
  private skippedKey: string | null = null;
  /** The last entry of an open stream. */
  private lastEntry: string | null = null;

  *addLine(line: RecordLine, where: string, strict: boolean): Generator<Item> {
    const key = keyOf(line).toString('latin1');
    const { i = 0 } = line;
    if (this.open === null && i > 0) {
      if (strict) throw malformedFault(where, 'it continues a key that no earlier line begins');
      if (this.skippedKey !== key)
        yield { lost: 'failed', key: keyOf(line), reason: 'its first lines are in an earlier part' };
      this.skippedKey = line.last === true ? null : key;
      return;
    }
    this.skippedKey = null;
    if (this.open === null || i === 0) {
      if (this.open !== null) throw malformedFault(where, 'a key begins before the previous key has ended');
      if (line.i !== undefined && line.last !== true) this.open = { key, line, next: 1 };
    } else {
      const { line: first, next } = this.open;
      const isSame = this.open.key === key && first.t === line.t && first.x === line.x && i === next;
      if (!isSame) throw malformedFault(where, 'it does not continue the key of the line before it');
      this.open = line.last === true ? null : { ...this.open, next: next + 1 };
    }
    if (line.t === 'stream') this.assertOrder(line, where);
    yield { line };
  }

  /** Redis accepts entries only in ascending order, and no last id before the last entry. */
  private assertOrder({ i = 0, v }: RecordLine, where: string): void {
    const { entries, lastId } = v as StreamValue;
    if (i === 0) this.lastEntry = null;
    for (const [id] of entries) {
      if (!comesAfter(id, this.lastEntry))
        throw malformedFault(where, 'the entries of the stream are not in ascending order');
      this.lastEntry = id;
    }
    if (lastId !== undefined && this.lastEntry !== null && comesAfter(this.lastEntry, lastId))
      throw malformedFault(where, "the stream's last id comes before its last entry");
  }

  /** A record that continues in a part that is not in the file is voided. */
  *end(where: string, strict: boolean): Generator<Item> {
    if (this.open === null) return;
    if (strict) throw cutShortFault(where, 'the last key has no last line');
    const { line, next } = this.open;
    const v = line.t === 'stream' ? { entries: [] } : line.t === 'string' || line.t === 'json' ? '' : [];
    yield { line: { k: line.k, t: line.t, i: next, last: true, void: true, v } };
    yield { lost: 'failed', key: keyOf(line), reason: 'its last lines are in a later part' };
  }
}
