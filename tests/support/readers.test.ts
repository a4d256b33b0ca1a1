import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { describe, expect, it, afterEach } from '@jest/globals';
import fc, { SEED } from './fast-check.js';
import { fingerprints } from './fingerprints.js';
import { dumpFromText, differences } from './plain-dump.js';
import { readPlainSnapshot } from './plain-snapshot.js';
import type { KeyRecord } from './database-reader.js';
import { writeSnapshot, type HandMade } from './hand-made-snapshot.js';
import { readSnapshot } from './snapshot-reader.js';

const MASK = (1n << 64n) - 1n;
const hash = fc.oneof(
  fc.bigInt(0n, MASK),
  fc.bigInt(1n, 40n),
  fc.bigInt(1n, 40n).map((low) => low << 12n),
);

describe('fingerprints', () => {
  it('keeps what a Map keeps, through growth and collisions', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(hash, hash), { maxLength: 200 }), (entries) => {
        const table = fingerprints(2);
        const map = new Map<bigint, bigint>();
        for (const [key, value] of entries) {
          table.set(key, value);
          map.set(key || 1n, value);
          expect(table.get(key)).toBe(value);
        }
        for (const [key, value] of map) expect(table.get(key)).toBe(value);
        expect(table.size).toBe(map.size);
        expect([...table.values()].sort()).toEqual([...map.values()].sort());
      }),
    );
  });

  it('has nothing for a key that was never set', () => {
    const table = fingerprints();
    table.set(5n, 1n);
    expect(table.get(5n + 1024n)).toBeUndefined();
  });
});

const HOME = join(import.meta.dirname, '../fixtures/snapshots-2026-11-24');
const { ageIdentity } = JSON.parse(readFileSync(join(HOME, 'keys.json'), 'utf8')) as { ageIdentity: string };

describe('reading a snapshot by its format alone', () => {
  it.each(['plain', 'encrypted'])('gives what the server held when it was taken: %s', async (kind) => {
    for (const file of readdirSync(join(HOME, kind, 'expected'))) {
      const expected = dumpFromText(readFileSync(join(HOME, kind, 'expected', file), 'utf8'));
      const held = await readPlainSnapshot(join(HOME, kind, 'store'), file.replace('.json', ''), ageIdentity);
      // The server kept JSON documents as strings.
      for (const [key, entry] of held) if (entry.type === 'json') held.set(key, { ...entry, type: 'string' });
      expect(differences(expected, held)).toEqual([]);
      expect(held.size).toBeGreaterThan(90);
    }
  });
});

let made: HandMade | null = null;

afterEach(async () => {
  await made?.remove();
  made = null;
});

async function read(...input: Parameters<typeof writeSnapshot>): Promise<KeyRecord[]> {
  await made?.remove();
  made = await writeSnapshot(...input);
  return all(readSnapshot(made.folder, made.id));
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const text = (v: string, more: object = {}) => ({ k: 'a', t: 'string', v, ...more });
const list = (v: string[], more: object = {}) => ({ k: 'l', t: 'list', v, ...more });

describe('readSnapshot', () => {
  it('joins the lines of one key, also across parts', async () => {
    const whole = await read([[text('one two', { x: 7 }), list(['a', 'b', 'c'])]]);
    const pieces = await read([
      [text('one', { x: 7, i: 0 }), text(' t', { x: 7, i: 1 })],
      [text('wo', { x: 7, i: 2, last: true }), list(['a'], { i: 0 }), list([], { i: 1 })],
      [list(['b', 'c'], { i: 2, last: true })],
    ]);
    expect(whole).toHaveLength(2);
    expect(whole[0]).toMatchObject({ key: Buffer.from('a'), type: 'string', expiresAt: 7 });
    expect(pieces).toEqual(whole);
  });

  it('joins the lines of a stream, whose last holds the rest', async () => {
    const tail = { lastId: '2-0', maxDeletedId: '0-0', entriesAdded: 2, groups: [] };
    const [one, two] = [['1-0', ['f', 'v']] as const, ['2-0', ['f', 'w']] as const];
    const whole = await read([[{ k: 's', t: 'stream', v: { entries: [one, two], ...tail } }]]);
    const pieces = await read([
      [{ k: 's', t: 'stream', i: 0, v: { entries: [one] } }],
      [{ k: 's', t: 'stream', i: 1, last: true, v: { entries: [two], ...tail } }],
    ]);
    expect(pieces).toEqual(whole);
  });

  it('gives big sets the same digest in any order and grouping, and another when one member differs', async () => {
    const members = Array.from({ length: 5000 }, (_, index) => `member ${index}`);
    const set = (v: string[], more: object = {}) => ({ k: 's', t: 'set', v, ...more });
    const [forwards] = await read([[set(members)]]);
    const reversed = [...members].reverse();
    // A page of SSCAN may repeat members.
    const twice = [set(reversed.slice(0, 3000), { i: 0 }), set(reversed.slice(2500), { i: 1, last: true })];
    expect(await read([twice])).toEqual([forwards]);
    expect(await read([[set([...members.slice(1), 'member x'])]])).not.toEqual([forwards]);
    expect(await read([[set(members.slice(1))]])).not.toEqual([forwards]);
  });

  it('leaves doubles out, with the lines that belong to them', async () => {
    const later = [list(['new'])];
    const earlier = [text('x'), list(['o'], { i: 0 }), list(['l'], { i: 1 }), list(['d'], { i: 2, last: true })];
    expect(await read([earlier, later], [{ part: 0, line: 1 }])).toEqual(await read([[text('x')], later]));
  });

  it('refuses bytes that are not those of the manifest', async () => {
    const lie = /is not what the manifest says/;
    await expect(
      read([[text('x')]], [], (m) => m.parts.forEach((p) => (p.stored.sha256 = '0'.repeat(64)))),
    ).rejects.toThrow(lie);
    const good = await writeSnapshot([[text('x')]]);
    await writeFile(join(good.folder, 'snapshots', good.id, 'part-00000-00000.jsonl.gz'), 'x');
    await expect(all(readSnapshot(good.folder, good.id))).rejects.toThrow(lie);
    await good.remove();
  });

  it('refuses a wrong count of lines, a double that is none, and keys that are not whole', async () => {
    await expect(read([[text('x')]], [], (m) => m.parts.forEach((p) => p.lines++))).rejects.toThrow('lines');
    await expect(read([[text('x')]], [{ part: 0, line: 3 }])).rejects.toThrow('doubles');
    await expect(read([[text('x', { i: 0 })]])).rejects.toThrow('ends in the middle');
    await expect(read([[text('x', { i: 1, last: true })]])).rejects.toThrow('in its middle');
    await expect(read([[text('x', { i: 0 }), text('y', { i: 2, last: true })]])).rejects.toThrow('go on');
    await expect(read([[text('x', { i: 0 }), list(['y'], { i: 1, last: true })]])).rejects.toThrow('go on');
  });
});

it('draws the same cases in every run', () => {
  const drawn = (): number[] => {
    const all: number[] = [];
    fc.assert(fc.property(fc.integer(), (n) => void all.push(n)));
    return all;
  };
  expect(drawn()).toEqual(drawn());
  expect(fc.readConfigureGlobal()).toMatchObject({ seed: SEED });
});
