import { isUtf8 } from 'node:buffer';
import { linePlace, malformedFault } from '../fault.js';

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
