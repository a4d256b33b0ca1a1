import { describe, expect, it } from '@jest/globals';
import fc, { anyCharacter } from '../support/fast-check.js';
import { partLines } from '../../lib/snapshot/source-records.js';
import { openPart } from '../../lib/snapshot/scan/sink.js';
import {
  decodeLine,
  encodeLine,
  endsRecord,
  keyOf,
  lineHead,
  startsRecord,
  type RecordLine,
  compareExpiry,
  fitsSet,
  isDue,
  MAX_KEY_EXPIRY,
  parseExpiry,
  sameExpiry,
  shiftExpiry,
  toArgument,
  type ExpiryTime,
} from '../../lib/snapshot/record.js';
import { fromText, toText } from '../../lib/soulcaster/text.js';

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)),
  fc.string({ unit: anyCharacter, maxLength: 30 }).map((text) => Buffer.from(text)),
  fc.constantFrom('', '\ufeff', '\ufffd', '\u2028', '{"b":"AA=="}').map((text) => Buffer.from(text)),
);
const text = bytes.map(toText);
const value = fc.oneof(
  text,
  fc.array(text),
  fc.array(fc.tuple(text, text)),
  fc.record({
    entries: fc.array(fc.tuple(fc.constant('1-1'), fc.array(text))),
    lastId: fc.constant('1-1'),
    groups: fc.constant([]),
  }),
);
const type = fc.constantFrom('string', 'hash', 'list', 'set', 'zset', 'stream', 'json');
const line = fc.record(
  { k: text, t: type, v: value, x: fc.maxSafeNat(), i: fc.nat(), last: fc.constant(true), void: fc.constant(true) },
  { requiredKeys: ['k', 't', 'v'] },
) as unknown as fc.Arbitrary<RecordLine>;

describe('text', () => {
  it('returns any bytes unchanged', () => {
    fc.assert(
      fc.property(bytes, (given) => fromText(toText(given)).equals(given)),
      { numRuns: 1000 },
    );
  });

  it('returns any bytes unchanged after a round trip through JSON', () => {
    fc.assert(
      fc.property(bytes, (given) => {
        const back = JSON.parse(JSON.stringify(toText(given))) as ReturnType<typeof toText>;
        expect(fromText(back)).toEqual(given);
      }),
    );
  });

  it('is a plain string if and only if the bytes are UTF-8', () => {
    fc.assert(
      fc.property(bytes, (given) => {
        const isText = Buffer.from(new TextDecoder('utf-8', { ignoreBOM: true }).decode(given)).equals(given);
        expect(typeof toText(given)).toBe(isText ? 'string' : 'object');
      }),
    );
  });
});

describe('a line', () => {
  it('reads back unchanged, and is one line', () => {
    fc.assert(
      fc.property(line, (given) => {
        const encoded = encodeLine(given);
        expect(encoded.indexOf('\n')).toBe(encoded.length - 1);
        expect(decodeLine(encoded)).toEqual(given);
      }),
    );
  });

  it('knows where a record begins and ends', () => {
    const head = lineHead(Buffer.from('k'), 'set', null);
    const states = [{}, { i: 0 }, { i: 1 }, { i: 1, last: true as const }].map((numbers) => {
      const given = { ...head, ...numbers, v: [] };
      return [startsRecord(given), endsRecord(given)];
    });
    expect(states).toEqual([
      [true, true],
      [true, false],
      [false, false],
      [false, true],
    ]);
  });

  it('has an expiry only where the key has one, and its key byte for byte', () => {
    const key = Buffer.from([0xff, 0x00, 0x0a]);
    expect(lineHead(key, 'hash', null)).not.toHaveProperty('x');
    expect(lineHead(key, 'hash', 1_795_312_800_000).x).toBe(1_795_312_800_000);
    expect(keyOf({ ...lineHead(key, 'hash', null), v: [] })).toEqual(key);
  });
});

describe('a part', () => {
  it('returns its lines unchanged, whatever they contain and wherever chunks end', async () => {
    const lines = fc.array(fc.tuple(line, fc.nat({ max: 70_000 })), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(lines, async (given) => {
        const written = given.map(([each, padding]) => ({ ...each, v: `${'é'.repeat(padding)}🦊` }));
        const texts = written.map(encodeLine);
        const writer = openPart();
        for (const each of written) await writer.write(each, true);
        const closed = await writer.close();
        const read: string[] = [];
        let plain = 0;
        for await (const each of partLines(closed.compressed, closed.plain.bytes, (chunk) => (plain += chunk.length)))
          read.push(`${each}\n`);
        expect(read).toEqual(texts);
        expect(closed).toMatchObject({ lines: texts.length, keys: texts.length });
        expect(closed.plain.bytes).toBe(plain);
      }),
      { numRuns: 40 },
    );
  });
});

describe('times of expiry', () => {
  const MAX = BigInt(MAX_KEY_EXPIRY);
  const SAFE = BigInt(Number.MAX_SAFE_INTEGER);
  const edges = fc.constantFrom(0n, 1n, SAFE - 1n, SAFE, SAFE + 1n, SAFE + 2n, MAX - 1n, MAX);
  const time = fc.oneof(edges, fc.bigInt({ min: 0n, max: MAX }), fc.bigInt({ min: SAFE - 5n, max: SAFE + 5n }));
  const replyOf = (exact: bigint): number | bigint => (exact <= SAFE ? Number(exact) : exact);
  const parsed = (exact: bigint): ExpiryTime => parseExpiry(replyOf(exact)) ?? 'none';

  it('are read, stored as JSON and written exactly', () => {
    fc.assert(
      fc.property(time, (exact) => {
        const kept = JSON.parse(JSON.stringify(parsed(exact))) as ExpiryTime;
        expect(String(toArgument(kept))).toBe(String(exact));
        expect(typeof kept).toBe(exact <= SAFE ? 'number' : 'string');
        expect(parseExpiry(Buffer.from(String(exact)))).toBe(kept);
        expect(fitsSet(kept)).toBe(exact <= SAFE);
      }),
    );
  });

  it('are compared and added to exactly', () => {
    fc.assert(
      fc.property(time, time, fc.integer({ min: 0, max: 2 ** 45 }), (a, b, ms) => {
        expect(Math.sign(compareExpiry(parsed(a), parsed(b)))).toBe(a < b ? -1 : a > b ? 1 : 0);
        expect(sameExpiry(parsed(a), parsed(b))).toBe(a === b);
        const later = a + BigInt(ms);
        expect(String(toArgument(shiftExpiry(parsed(a), ms)))).toBe(String(later > MAX ? MAX : later));
        expect(isDue(parsed(a), ms)).toBe(a <= BigInt(ms));
      }),
    );
  });

  it.each([-1, -2, null, Buffer.from('-1'), Buffer.from('1.5'), Buffer.from(''), [], undefined])(
    'are none in %p',
    (reply) => {
      expect(parseExpiry(reply)).toBeNull();
    },
  );

  it('that an earlier version rounded up to 2^63 are read as the maximum', () => {
    const rounded = JSON.parse('9223372036854775807') as number;
    expect(toArgument(rounded)).toBe(MAX_KEY_EXPIRY);
    expect(sameExpiry(rounded, MAX_KEY_EXPIRY)).toBe(true);
    expect(isDue(rounded, Date.now())).toBe(false);
  });

  it('distinguish no expiry from an expiry', () => {
    expect(sameExpiry(undefined, undefined)).toBe(true);
    expect(sameExpiry(undefined, 0)).toBe(false);
  });
});
