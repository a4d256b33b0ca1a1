import { describe, expect, it } from '@jest/globals';
import fc, { anyCharacter } from '../support/fast-check.js';
import type { SentCommand, WireValue } from '../../lib/ports/redis.js';
import { itemCommands, valueCommands } from '../../lib/restore/write/commands.js';
import { sizeOf } from '../../lib/restore/write/size.js';
import { textOf } from '../../lib/restore/write/batch.js';
import { encodeBatch } from '../../lib/services/upstash-redis/arguments.js';
import {
  decodeLine,
  encodeLine,
  type RecordLine,
  type RecordValue,
  lineHead,
  RECORD_TYPES,
  type RecordType,
} from '../../lib/snapshot/record.js';
import { StoredLines, type StoredLine } from '../../lib/snapshot/stored-line.js';
import { type Text, toText } from '../../lib/soulcaster/text.js';
import { parseWireBody } from '../../lib/services/upstash-redis/replies.js';
import { LineBuffer } from '../../lib/snapshot/line-buffer.js';
import type { SentValue } from '../../lib/snapshot/sent-value.js';

const TYPES = ['hash', 'string', 'zset', 'set', 'list', 'json'] as const;

const text = fc.oneof(
  fc.string({ unit: anyCharacter, maxLength: 60 }),
  fc.string({ maxLength: 60 }),
  fc.constantFrom('', '-0', '"', '\\', '\\"', '\n\t\u0000\u001f\u007f', '\u2028', '{"a":"\\n"}', 'ä🦊'),
  fc.nat({ max: 3000 }).map((length) => 'a long one with "quotes"\n\u001b é 🦊 '.repeat(length / 30)),
);
const member = fc.oneof({ weight: 15, arbitrary: text }, { weight: 1, arbitrary: fc.constant({ b: '/w==' }) });

const lines: fc.Arbitrary<RecordLine> = fc
  .record({
    k: text,
    t: fc.constantFrom(...TYPES),
    x: fc.oneof(fc.constant(undefined), fc.maxSafeNat(), fc.constant('9223372036854775807')),
    items: fc.array(member, { minLength: 1, maxLength: 9 }),
  })
  .map(({ k, t, x, items }) => ({ k, t, ...(x === undefined ? {} : { x }), v: valueOf(t, items) }));

function valueOf(type: RecordLine['t'], items: readonly Text[]): RecordValue {
  if (type === 'string' || type === 'json') return items[0] ?? '';
  if (type === 'list' || type === 'set') return items;
  return items.map((item, at) => [item, type === 'zset' ? String(at / 7) : (items[at - 1] ?? 'value')] as const);
}

function read(line: string, reader = new StoredLines()): StoredLine | null {
  const bytes = Buffer.from(`before\n${line}after`);
  return reader.read(bytes, 7, bytes.indexOf('\nafter'));
}

/** The body of what writes a value, whichever way it is made. */
function bodyOf(line: RecordLine, stored: StoredLine | null): string {
  const item = { line, key: 'k', bytes: 0, args: stored?.args ?? null };
  const commands: SentCommand[] = line.t === 'string' ? [['SET', 'k', textOf(item)]] : itemCommands('k', item);
  return encodeBatch(commands).body.toString();
}

describe('a line that is passed on as it is stored', () => {
  it('equals the line that was written, and gives the same commands', () => {
    let kept = 0;
    const reader = new StoredLines();
    const seen: { line: RecordLine; stored: StoredLine }[] = [];
    fc.assert(
      fc.property(lines, (line) => {
        const stored = read(encodeLine(line), reader);
        if (stored === null) return;
        kept += 1;
        seen.push({ line, stored });
        expect(stored.bytes).toBe(sizeOf(line).bytes);
        expect(bodyOf(line, stored)).toBe(bodyOf(line, null));
      }),
      { numRuns: 2000 },
    );
    expect(kept).toBeGreaterThan(200);
    // What was read before is not touched by what is read after.
    for (const { line, stored } of seen) {
      expect({ ...stored.line }).toEqual(line);
      expect(decodeLine(encodeLine(stored.line))).toEqual(line);
    }
  });

  it.each(TYPES)('is passed on for an ordinary %s', (t) => {
    for (const x of [undefined, 0, 4_102_444_800_000]) {
      const line = { k: 'a:ключ', t, ...(x === undefined ? {} : { x }), v: valueOf(t, ['a "b"\n', 'c', '\u0001']) };
      const stored = read(encodeLine(line));
      expect(stored?.line).toEqual(line);
      expect(stored?.elements).toBe(t === 'string' || t === 'json' ? 1 : 3);
      expect(bodyOf(line, stored)).toBe(bodyOf(line, null));
    }
  });

  it('counts pairs once', () => {
    const v = Array.from({ length: 1000 }, (_, at) => [`f${at}`, 'v'] as const);
    const stored = read(encodeLine({ k: 'h', t: 'hash', v }));
    expect(stored?.elements).toBe(1000);
    const commands = Array.from(valueCommands('h', { k: 'h', t: 'hash', v }));
    expect(commands).toHaveLength(1);
    expect(bodyOf({ k: 'h', t: 'hash', v }, stored)).toBe(bodyOf({ k: 'h', t: 'hash', v }, null));
  });

  const hash = { k: 'h', t: 'hash', v: [['f', 'v']] } as const;
  it.each<[string, string]>([
    ['of several', encodeLine({ ...hash, i: 0 })],
    ['at the end of several', encodeLine({ ...hash, i: 1, last: true })],
    ['that takes back others', encodeLine({ ...hash, i: 1, last: true, void: true, v: [] })],
    ['with the expiry of fields', encodeLine({ ...hash, fx: [['f', 5]] })],
    ['of a stream', encodeLine({ k: 's', t: 'stream', v: { entries: [['1-0', ['f', 'v']]], lastId: '1-0' } })],
    ['without elements', encodeLine({ k: 's', t: 'set', v: [] })],
    ['with a name that is no text', encodeLine({ ...hash, k: { b: '/w==' } })],
    ['with a name that is escaped', encodeLine({ ...hash, k: 'a"b' })],
    ['with a member that is no text', encodeLine({ k: 's', t: 'set', v: ['a', { b: '/w==' }] })],
    ['with a value that is no text', encodeLine({ k: 's', t: 'string', v: { b: '/w==' } })],
    ['with a score of -0', encodeLine({ k: 'z', t: 'zset', v: [['a', '-0']] })],
    ['with an expiry beyond numbers', encodeLine({ ...hash, x: '9223372036854775807' })],
    ['with an escape that JSON does not know', '{"k":"s","t":"string","v":"\\x41"}\n'],
    ['with an escape of more than a byte', '{"k":"s","t":"string","v":"\\u00e9"}\n'],
    ['with a control character', '{"k":"s","t":"string","v":"a\u0001b"}\n'],
    ['with a space', '{"k":"s","t":"string", "v":"a"}\n'],
    ['that goes on', '{"k":"s","t":"string","v":"a"}}\n'],
    ['that ends early', '{"k":"s","t":"list","v":["a"\n'],
    ['that ends within a text', '{"k":"s","t":"list","v":["a\n'],
    ['with a list in a list', '{"k":"s","t":"list","v":[["a"]]}\n'],
    ['with three in a pair', '{"k":"s","t":"hash","v":[["a","b","c"]]}\n'],
    ['with a comma too many', '{"k":"s","t":"set","v":["a",]}\n'],
    ['of another type', '{"k":"s","t":"sets","v":["a"]}\n'],
  ])('is decoded for one %s', (_what, line) => {
    expect(read(line)).toBeNull();
  });

  it('has room for lines of any length', () => {
    const reader = new StoredLines();
    const long = Array.from(
      { length: 5 },
      (_, at) => ({ k: `k${at}`, t: 'string', v: 'x'.repeat(at * 150_000) }) as const,
    );
    const stored = long.map((line) => read(encodeLine(line), reader));
    for (const [at, line] of long.entries()) expect(stored[at]?.line).toEqual(line);
  });
});

describe('a value that was sent', () => {
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
