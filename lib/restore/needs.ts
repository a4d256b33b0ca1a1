import { compareExpiry, type ExpiryTime, type RecordLine } from '../snapshot/record.js';
import { fromText, type Text } from '../soulcaster/text.js';
import type { TargetRecord } from './model.js';
import { PAGE_BYTES } from './write/limits.js';
import { textsOf } from './write/size.js';

/** What writing one record requires of the target. */
export interface Needs {
  readonly json: boolean;
  /** Whether scripts write it: it holds bytes that are not text, or an element larger than a page. */
  readonly binary: boolean;
  /** The latest expiry of a field; null when no field expires. */
  readonly fieldExpiry: ExpiryTime | null;
  readonly expiry: ExpiryTime | null;
  /** The least memory that the record takes in the target, in bytes. */
  readonly bytes: number;
}

/** Measures what records need while another reader consumes them. */
interface NeedsMeter {
  /** The same records, whose lines are measured as they are read. */
  measureAll(records: AsyncIterable<TargetRecord>): AsyncGenerator<TargetRecord>;
  /** Complete once the record's `rest` was read. */
  needsOf(record: TargetRecord): Needs;
}

interface Measured {
  fieldExpiry: ExpiryTime | null;
  binary: boolean;
  bytes: number;
}

export function needsMeter(): NeedsMeter {
  const measured = new WeakMap<TargetRecord, Measured>();
  return {
    async *measureAll(records) {
      for await (const record of records) {
        const sum: Measured = {
          fieldExpiry: null,
          binary: typeof record.first.k !== 'string',
          bytes: fromText(record.first.k).length,
        };
        measure(sum, record.first);
        const metered = record.rest === null ? record : { ...record, rest: measureLines(record.rest, sum) };
        measured.set(metered, sum);
        yield metered;
      }
    },
    needsOf(record) {
      const { fieldExpiry, binary, bytes } = measured.get(record) ?? { fieldExpiry: null, binary: false, bytes: 0 };
      return { json: record.first.t === 'json', binary, fieldExpiry, expiry: record.first.x ?? null, bytes };
    },
  };
}

async function* measureLines(lines: AsyncIterable<RecordLine>, sum: Measured): AsyncGenerator<RecordLine> {
  for await (const line of lines) {
    measure(sum, line);
    yield line;
  }
}

function measure(sum: Measured, line: RecordLine): void {
  for (const text of textsOf(line.v)) {
    sum.bytes += leastBytes(text);
    // Strings of any size are written in pieces, without a script.
    sum.binary ||= typeof text !== 'string' || (line.t !== 'string' && Buffer.byteLength(text) > PAGE_BYTES);
  }
  for (const [, time] of line.fx ?? []) {
    if (sum.fieldExpiry === null || compareExpiry(time, sum.fieldExpiry) > 0) sum.fieldExpiry = time;
  }
}

const DECIMAL = /^-?\d{1,20}$/;

/** Redis stores decimal numbers in about 40% of their length, everything else as it is. */
function leastBytes(text: Text): number {
  if (typeof text !== 'string') return fromText(text).length;
  return text.length <= 20 && DECIMAL.test(text) ? Math.floor(text.length * 0.4) : Buffer.byteLength(text);
}
