import { compareExpiry, type ExpiryTime } from '../snapshot/expiry-time.js';
import type { RecordLine } from '../snapshot/record.js';
import { fromText, type Text } from '../snapshot/text.js';
import type { TargetRecord } from './model.js';
import { PAGE_BYTES } from './write/limits.js';
import { textsOf } from './write/size.js';

/** What it takes to write one record. */
export interface Needs {
  readonly json: boolean;
  /** Whether it is written by scripts: it holds bytes that are no text, or an element larger than a page. */
  readonly binary: boolean;
  /** The latest expiry of a field; null when no field expires. */
  readonly fieldExpiry: ExpiryTime | null;
  readonly expiry: ExpiryTime | null;
  /** Bytes that it takes in the target's memory at the least. */
  readonly bytes: number;
}

/** Notes what records need while somebody reads them. */
interface NeedsMeter {
  /** The records, which note their lines as they are read. */
  watch(records: AsyncIterable<TargetRecord>): AsyncGenerator<TargetRecord>;
  /** Complete once the record's `rest` was read. */
  of(record: TargetRecord): Needs;
}

interface Measured {
  fieldExpiry: ExpiryTime | null;
  binary: boolean;
  bytes: number;
}

export function needsMeter(): NeedsMeter {
  const measured = new WeakMap<TargetRecord, Measured>();
  return {
    async *watch(records) {
      for await (const record of records) {
        const noted: Measured = {
          fieldExpiry: null,
          binary: typeof record.first.k !== 'string',
          bytes: fromText(record.first.k).length,
        };
        note(noted, record.first);
        const watched = record.rest === null ? record : { ...record, rest: passing(record.rest, noted) };
        measured.set(watched, noted);
        yield watched;
      }
    },
    of(record) {
      const { fieldExpiry, binary, bytes } = measured.get(record) ?? { fieldExpiry: null, binary: false, bytes: 0 };
      return { json: record.first.t === 'json', binary, fieldExpiry, expiry: record.first.x ?? null, bytes };
    },
  };
}

async function* passing(lines: AsyncIterable<RecordLine>, noted: Measured): AsyncGenerator<RecordLine> {
  for await (const line of lines) {
    note(noted, line);
    yield line;
  }
}

function note(noted: Measured, line: RecordLine): void {
  for (const text of textsOf(line.v)) {
    noted.bytes += leastBytes(text);
    // A string is put together from pieces.
    noted.binary ||= typeof text !== 'string' || (line.t !== 'string' && Buffer.byteLength(text) > PAGE_BYTES);
  }
  for (const [, time] of line.fx ?? []) {
    if (noted.fieldExpiry === null || compareExpiry(time, noted.fieldExpiry) > 0) noted.fieldExpiry = time;
  }
}

const DECIMAL = /^-?\d{1,20}$/;

/** Redis keeps decimal numbers in about four bytes of ten, all else as it is. */
function leastBytes(text: Text): number {
  if (typeof text !== 'string') return fromText(text).length;
  return text.length <= 20 && DECIMAL.test(text) ? Math.floor(text.length * 0.4) : Buffer.byteLength(text);
}
