import { isUtf8 } from 'node:buffer';
import { lineOf, malformed } from '../fault.js';

const NEWLINE = 0x0a;
/** As much as a line of a snapshot can have: one reply of 10 MiB, whose bytes JSON may escape to six times as many. */
export const LONGEST_LINE = 64 * 1024 * 1024;

/** A line without its end. */
export interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
  /** Whether it has an end: only the last may have none. */
  readonly ended: boolean;
}

/** The lines of UTF-8 text. Holds no more than one line of `longest` bytes; throws FileFault for a longer one. */
export async function* linesOf(chunks: AsyncIterable<Buffer>, longest = LONGEST_LINE): AsyncGenerator<Line> {
  let open: Buffer[] = [];
  let openBytes = 0;
  let number = 1;
  const take = (end: Buffer, ended: boolean): Line => {
    const bytes = open.length === 0 ? end : Buffer.concat([...open, end]);
    open = [];
    openBytes = 0;
    if (!isUtf8(bytes)) throw notText(number);
    const text = bytes.toString('utf8');
    // Some editors and shells put a byte order mark before what they save.
    return { text: number === 1 ? text.replace(/^\uFEFF/, '') : text, number: number++, ended };
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      yield take(chunk.subarray(from, at), true);
      from = at + 1;
    }
    if (from === chunk.length) continue;
    open.push(chunk.subarray(from));
    openBytes += chunk.length - from;
    if (openBytes > longest) throw tooLong(number, longest);
  }
  if (open.length > 0) yield take(Buffer.alloc(0), false);
}

function notText(number: number) {
  return malformed(
    lineOf(number),
    'it is not UTF-8',
    'Bytes that are no text need a format that holds them: an export of this program, or an RDB file.',
  );
}

function tooLong(number: number, longest: number) {
  return malformed(
    lineOf(number),
    `it has no end within ${longest / 1024 / 1024} MiB`,
    'This is no dump of one object a line. Formats that are read: docs/format.md.',
  );
}
