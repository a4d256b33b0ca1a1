import { describe, expect, it } from '@jest/globals';
import type { SentCommand } from '../../lib/ports/redis.js';
import { itemCommands, valueCommands } from '../../lib/restore/write/commands.js';
import { sizeOf } from '../../lib/restore/write/size.js';
import { textOf } from '../../lib/restore/write/batch.js';
import { encodeBatch } from '../../lib/services/upstash-redis/arguments.js';
import { decodeLine, encodeLine, type RecordLine, type RecordValue } from '../../lib/snapshot/record.js';
import { StoredLines, type StoredLine } from '../../lib/snapshot/stored-line.js';
import type { Text } from '../../lib/soulcaster/text.js';
import fc, { anyCharacter } from '../support/fast-check.js';

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
