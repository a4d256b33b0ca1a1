import { describe, expect, it } from '@jest/globals';
import fc, { anyCharacter } from '../support/fast-check.js';
import type { WireValue } from '../../lib/ports/redis.js';
import { LineBuffer } from '../../lib/snapshot/line-buffer.js';
import { encodeLine, RECORD_TYPES } from '../../lib/snapshot/record.js';
import { recordOf, type SentValue } from '../../lib/snapshot/sent-value.js';

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
/** As a reply holds it: mostly base64, bytes where the port decoded them, numbers where Redis gave some. */
const item = fc.oneof(
  { weight: 8, arbitrary: bytes.map((each): WireValue => each.toString('base64')) },
  { weight: 1, arbitrary: bytes },
  { weight: 1, arbitrary: fc.oneof(fc.maxSafeInteger(), fc.bigInt()) },
);
const sent: fc.Arbitrary<SentValue> = fc.constantFrom(...TYPES).chain((type) =>
  fc.record({
    key: bytes,
    type: fc.constant(type),
    expiry: fc.oneof(fc.constant(null), fc.maxSafeNat(), fc.constant('9223372036854775807')),
    sent: type === 'string' || type === 'json' ? item : (fc.array(item, { maxLength: 9 }) as fc.Arbitrary<WireValue>),
  }),
);

describe('a value that was sent', () => {
  it('becomes the very line that its record is encoded to, whatever bytes are in it', () => {
    const buffer = new LineBuffer(16);
    fc.assert(
      fc.property(fc.array(sent, { maxLength: 4 }), (values) => {
        buffer.clear();
        for (const value of values) buffer.add(value);
        const expected = values.map((value) => encodeLine(recordOf(value))).join('');
        expect(buffer.content().toString('latin1')).toBe(Buffer.from(expected).toString('latin1'));
      }),
      { numRuns: 2000 },
    );
  });

  it('becomes every single byte and every length as well', () => {
    const buffer = new LineBuffer(64);
    const all = Array.from({ length: 256 }, (_, byte) => Buffer.from([byte]));
    const lengths = Array.from({ length: 120 }, (_, length) => Buffer.alloc(length, 'abc\tdef'));
    for (const each of [...all, ...lengths]) {
      const value: SentValue = { key: each, type: 'string', expiry: null, sent: each.toString('base64') };
      buffer.clear();
      buffer.add(value);
      expect(buffer.content().toString('latin1')).toBe(Buffer.from(encodeLine(recordOf(value))).toString('latin1'));
    }
  });

  it.each(['====', 'ab=c', '*abc', 'abc*', 'abcé', 'ab\u0141c', 'plain text, not base64', `${'abcd'.repeat(30)}****`])(
    'is refused where %j came instead of base64, and leaves the lines before it',
    (text) => {
      const buffer = new LineBuffer(64);
      const value: SentValue = { key: Buffer.from('k'), type: 'set', expiry: null, sent: ['YWJj'] };
      buffer.add(value);
      const before = buffer.content().toString('latin1');
      expect(() => buffer.add({ ...value, sent: ['YWJj', text] })).toThrow('a form that the protocol does not have');
      expect(buffer.content().toString('latin1')).toBe(before);
    },
  );

  it('is refused where a list was due', () => {
    const value: SentValue = { key: Buffer.from('k'), type: 'hash', expiry: null, sent: 'YWJj' };
    expect(() => new LineBuffer(64).add(value)).toThrow('a form that the protocol does not have');
  });
});
