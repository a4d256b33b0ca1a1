import { describe, expect, it } from '@jest/globals';
import fc, { anyCharacter } from '../support/fast-check.js';
import type { WireValue } from '../../lib/ports/redis.js';
import { parseWireBody } from '../../lib/services/upstash-redis/replies.js';
import { LineBuffer } from '../../lib/snapshot/line-buffer.js';
import {
  encodeLine,
  lineHead,
  RECORD_TYPES,
  type RecordLine,
  type RecordType,
  type RecordValue,
} from '../../lib/snapshot/record.js';
import type { SentValue } from '../../lib/snapshot/sent-value.js';
import { toText } from '../../lib/soulcaster/text.js';

const TYPES = RECORD_TYPES.filter((type) => type !== 'stream');

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 90 }).map((array) => Buffer.from(array)),
  fc.string({ unit: anyCharacter, maxLength: 60 }).map((text) => Buffer.from(text)),
  fc.string({ maxLength: 60 }).map((text) => Buffer.from(text)),
  fc
    .constantFrom('', 'OK', '\ufeff', '\ufffd', '\u2028', '{"a":"\\n"}', '\u007f\u0080')
    .map((text) => Buffer.from(text)),
  fc.nat({ max: 3000 }).map((length) => Buffer.alloc(length, 'a long one with "quotes"\n\u001f é 🦊')),
);

interface Case {
  readonly key: Buffer;
  readonly type: RecordType;
  readonly expiry: number | string | null;
  readonly items: readonly Buffer[];
  /** Strings in place of base64 that mean the same to a lenient decoder, or other elements that a server may send. */
  readonly odd: string | null;
}

const cases: fc.Arbitrary<Case> = fc.record({
  key: bytes,
  type: fc.constantFrom(...TYPES),
  expiry: fc.oneof(fc.constant(null), fc.maxSafeNat(), fc.constant('9223372036854775807')),
  items: fc.array(bytes, { maxLength: 9 }),
  odd: fc.option(
    fc.constantFrom('"YQ"', '"YR=="', '"/x=="', '"/3=="', '"OK"', '7', '9223372036854775807', '"\\u0059Q=="'),
  ),
});
const ODD_BYTES: Readonly<Record<string, Buffer>> = {
  '"YQ"': Buffer.from('a'),
  '"YR=="': Buffer.from('a'),
  '"/x=="': Buffer.from([0xff]),
  '"/3=="': Buffer.from([0xff]),
  '"OK"': Buffer.from('OK'),
  '7': Buffer.from('7'),
  '9223372036854775807': Buffer.from('9223372036854775807'),
  '"\\u0059Q=="': Buffer.from('a'),
};

/** A value as the port gives it, of a reply that holds this JSON. */
function sentAs(json: string): WireValue {
  const body = parseWireBody(Buffer.from(`[{"result":${json}}]`));
  const [item] = 'items' in body ? body.items : [];
  if (item === undefined || 'error' in item) throw new Error('no reply');
  return item.value;
}

const isOne = (type: RecordType): boolean => type === 'string' || type === 'json';

function sentOf({ key, type, expiry, items, odd }: Case): SentValue {
  const texts = items.map((item) => `"${item.toString('base64')}"`);
  if (odd !== null) texts.splice(items.length >> 1, 0, odd);
  return { key, type, expiry, sent: sentAs(isOne(type) ? (texts[0] ?? '""') : `[${texts.join(',')}]`) };
}

function lineOf({ key, type, expiry, items, odd }: Case): RecordLine {
  const all = [...items];
  if (odd !== null) all.splice(items.length >> 1, 0, ODD_BYTES[odd] ?? Buffer.alloc(0));
  const texts = all.map(toText);
  const pairs = Array.from({ length: texts.length >> 1 }, (_, at) => [texts[2 * at] ?? '', texts[2 * at + 1] ?? '']);
  const value = isOne(type) ? (texts[0] ?? '') : type === 'hash' || type === 'zset' ? pairs : texts;
  return { ...lineHead(key, type, expiry), v: value as RecordValue };
}

function linesOf(buffer: LineBuffer): string {
  return buffer.content().toString('latin1');
}

describe('a value that was sent', () => {
  it('becomes exactly the line that its record is encoded to, for any bytes', () => {
    const buffer = new LineBuffer(16);
    fc.assert(
      fc.property(fc.array(cases, { maxLength: 4 }), (values) => {
        buffer.clear();
        for (const value of values) buffer.add(sentOf(value));
        const expected = values.map((value) => encodeLine(lineOf(value))).join('');
        expect(linesOf(buffer)).toBe(Buffer.from(expected).toString('latin1'));
      }),
      { numRuns: 2000 },
    );
  });

  it('becomes that line for every single byte and every length', () => {
    const buffer = new LineBuffer(64);
    const all = Array.from({ length: 256 }, (_, byte) => Buffer.from([byte]));
    const lengths = Array.from({ length: 120 }, (_, length) => Buffer.alloc(length, 'abc\tdef'));
    for (const each of [...all, ...lengths]) {
      const value: Case = { key: each, type: 'string', expiry: null, items: [each], odd: null };
      buffer.clear();
      buffer.add(sentOf(value));
      expect(linesOf(buffer)).toBe(Buffer.from(encodeLine(lineOf(value))).toString('latin1'));
    }
  });

  it.each(['====', 'ab=c', '*abc', 'abc*', 'abcé', 'ab\u0141c', 'plain text, not base64', `${'abcd'.repeat(30)}****`])(
    'is refused where %j came instead of base64, and leaves the lines before it',
    (text) => {
      const buffer = new LineBuffer(64);
      const value: SentValue = { key: Buffer.from('k'), type: 'set', expiry: null, sent: sentAs('["YWJj"]') };
      buffer.add(value);
      const before = linesOf(buffer);
      expect(() => buffer.add({ ...value, sent: sentAs(`["YWJj","${text}"]`) })).toThrow('other than its protocol');
      expect(linesOf(buffer)).toBe(before);
    },
  );

  it.each(['"YWJj"', '["YWJj",["YWJj"]]', '["YWJj",null]', 'null'])(
    'is refused where %s came instead of a hash',
    (json) => {
      const value = { key: Buffer.from('k'), type: 'hash', expiry: null } as const;
      const refusal = 'a reply that its protocol does not allow';
      expect(() => new LineBuffer(64).add({ ...value, sent: sentAs(json) })).toThrow(refusal);
    },
  );
});
