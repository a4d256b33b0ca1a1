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
