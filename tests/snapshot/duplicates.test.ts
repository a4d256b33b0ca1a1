import { describe, expect, it, afterAll, beforeAll, beforeEach } from '@jest/globals';
import fc from '../support/fast-check.js';
import { countIndex, noCounts } from '../../lib/snapshot/counts.js';
import { duplicateLines, findDuplicates, type Duplicate } from '../../lib/snapshot/duplicates.js';
import { indexBuilder, unpackIndex, type PartIndex } from '../../lib/snapshot/part-index.js';
import type { RedisReply, RedisValue } from '../../lib/ports/redis.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { intercept, ticking } from './intercept.js';
import { recordsByKey, storedLines } from './lines.js';
import { keySetOf } from '../../lib/redis/key-sets.js';

/** What happens on one line: a record of a key begins and perhaps ends, or the open one continues or is taken back. */
type Step = { readonly begins: string } | 'continues' | 'voids' | 'next-part';

interface Laid {
  readonly indexes: PartIndex[];
  readonly expected: Duplicate[];
  readonly alive: Set<string>;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', '__proto__', '').map((begins) => ({ begins })) },
  { weight: 3, arbitrary: fc.constantFrom('continues' as const, 'voids' as const, 'next-part' as const) },
);

/** Lays the lines into parts and says, record by record and without hashes, which are to be passed over. */
function lay(steps: readonly Step[]): Laid {
  const records: { key: string; at: Duplicate; isVoid: boolean }[] = [];
  const indexes: PartIndex[] = [];
  let builder = indexBuilder();
  let line = 0;
  let isOpen = false;
  for (const each of steps) {
    if (each === 'next-part') {
      indexes.push(builder.build());
      builder = indexBuilder();
      line = 0;
      continue;
    }
    const last = records.at(-1);
    if (typeof each === 'object') {
      builder.begin(Buffer.from(each.begins), 'string', line);
      records.push({ key: each.begins, at: { part: indexes.length, line }, isVoid: false });
      isOpen = true;
    } else if (each === 'voids' && isOpen && last !== undefined) {
      builder.voidRecord();
      last.isVoid = true;
      isOpen = false;
    }
    line += 1;
  }
  indexes.push(builder.build());
  const isDouble = ({ key, isVoid }: (typeof records)[number], at: number): boolean =>
    isVoid || records.slice(at + 1).some((later) => later.key === key);
  return {
    indexes,
    expected: records.filter(isDouble).map(({ at }) => at),
    alive: new Set(records.filter((record, at) => !isDouble(record, at)).map(({ key }) => key)),
  };
}

function partsOf(indexes: readonly PartIndex[]) {
  const nothing = { bytes: 0, sha256: '' };
  return indexes.map((index, at) => {
    const keys = unpackIndex(index).lines.length;
    return { name: String(at), keys, lines: 0, plain: nothing, stored: nothing };
  });
}

describe('duplicates', () => {
  it('are all records of a key but the last, and void records', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { indexes, expected, alive } = lay(steps);
        const read = (part: number) => Promise.resolve(unpackIndex(indexes[part] as PartIndex));
        const doubles = await findDuplicates(partsOf(indexes), read);
        expect(doubles).toEqual(expected);
        const counts = noCounts();
        for (const [part, index] of indexes.entries()) {
          countIndex(counts, unpackIndex(index), duplicateLines(doubles, part));
        }
        expect(counts.keys).toBe(alive.size);
      }),
      { numRuns: 500 },
    );
  });

  it('distinguish two keys with the same first hash', async () => {
    const one = unpackIndex(lay([{ begins: 'a' }, { begins: 'b' }]).indexes[0] as PartIndex);
    const colliding = { ...one, hashes: BigUint64Array.of(7n, 1n, 7n, 2n) };
    const parts = partsOf([lay([{ begins: 'a' }, { begins: 'b' }]).indexes[0] as PartIndex]);
    expect(await findDuplicates(parts, () => Promise.resolve(colliding))).toEqual([]);
  });
});

describe('a SCAN with every behaviour that its guarantees allow', () => {
  const KEYS = 100;

  /** One page of SCAN: the cursor and the names, each followed by its type. */
  type Page = readonly [next: string, ...keys: string[]];

  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    await bench.database.redis.flushall();
    for (let at = 0; at < KEYS; at++) await bench.database.redis.set(`k${at}`, `first ${at}`);
  });

  /** Answers SCAN from these pages, by cursor: page 0 first. `onPage` runs before a page is handed out. */
  function scanning(pages: readonly Page[], onPage: (at: number) => Promise<unknown> = () => Promise.resolve()) {
    return intercept(bench.port, {
      async before(commands): Promise<RedisReply[] | null> {
        const [scan] = commands;
        if (scan?.[0] !== 'SCAN') return null;
        const at = Number(scan[1]);
        await onPage(at);
        const [next = '0', ...keys] = pages[at] ?? [];
        const flat = keys.flatMap((key): RedisValue[] => [Buffer.from(key), Buffer.from('string')]);
        return [{ value: [Buffer.from(next), flat] }];
      },
    });
  }

  const names = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, at) => `k${from + at}`);

  it('saves a key once that appears twice in a page', async () => {
    const redis = scanning([['0', ...names(0, KEYS), 'k3', 'k3', 'k99']]);
    const { id, manifest } = await bench.takeWhole({ redis });
    expect(manifest.doubles).toEqual([]);
    expect(await storedLines(bench, manifest)).toHaveLength(KEYS);
    expect(await bench.compare(id)).toMatchObject({ keys: KEYS, different: 0 });
  });

  it('lists a key that appears again in a later page as duplicate, and the later record wins', async () => {
    const pages: Page[] = [
      ['1', ...names(0, 60)],
      ['2', ...names(50, 80), 'k0'],
      ['0', 'k0', ...names(70, KEYS)],
    ];
    const redis = scanning(pages, async (at) => {
      if (at === 2) await bench.database.redis.mset('k0', 'second', 'k75', 'second');
    });
    const { id, manifest } = await bench.takeWhole({ redis, settings: { inFlight: 1, partBytes: 200 } });
    expect(manifest.doubles).toHaveLength(22);
    expect(manifest.counts).toMatchObject({ keys: KEYS, byType: { string: KEYS } });
    expect(manifest.ledger.saved).toBe(KEYS);
    const lines = await storedLines(bench, manifest);
    const doubled = manifest.doubles.map(({ part, line }) =>
      lines.find((each) => each.part === part && each.number === line),
    );
    expect(doubled.map((line) => line?.k).sort()).toEqual(['k0', 'k0', ...names(50, 60), ...names(70, 80)].sort());
    expect((await recordsByKey(bench, manifest)).get('"k0"')?.[0]?.v).toBe('second');
    expect(await bench.compare(id)).toMatchObject({ keys: KEYS, onlyInRedis: 0, onlyInSnapshot: 0, different: 0 });
    expect((await bench.verify(id)).result).toMatchObject({ keys: KEYS, findings: [] });
  });

  it('continues after empty pages, and accepts more keys than COUNT', async () => {
    const pages: Page[] = [['1'], ['2', ...names(0, KEYS)], ['3'], ['4'], ['0']];
    const { id, manifest } = await bench.takeWhole({ redis: scanning(pages) });
    expect(manifest.doubles).toEqual([]);
    expect(await bench.compare(id)).toMatchObject({ keys: KEYS, onlyInRedis: 0, different: 0 });
  });

  it('finds duplicates across attempts', async () => {
    const pages: Page[] = [
      ['1', ...names(0, 50)],
      ['2', ...names(20, 70)],
      ['3', ...names(40, KEYS)],
      ['0', ...names(0, 10)],
    ];
    const redis = ticking(bench, scanning(pages));
    const { id, attempts, manifest } = await bench.takeWhole({ redis, attemptMs: 1, settings: { inFlight: 1 } });
    expect(attempts).toBeGreaterThan(1);
    expect(manifest.doubles).toHaveLength(70);
    expect(manifest.counts.keys).toBe(KEYS);
    expect(await bench.compare(id)).toMatchObject({ keys: KEYS, different: 0 });
    expect((await bench.verify(id)).state).toBe('succeeded');
  });

  it('keeps the valid record of a key that is gone when SCAN returns it again', async () => {
    const pages: Page[] = [
      ['1', ...names(0, KEYS)],
      ['0', 'k7'],
    ];
    const redis = intercept(scanning(pages), {
      async after(commands, replies) {
        if (commands[0]?.[0] === 'MGET') await bench.database.redis.del('k7');
        return replies;
      },
    });
    const { manifest } = await bench.takeWhole({ redis, settings: { inFlight: 1 } });
    expect(manifest).toMatchObject({ doubles: [], counts: { keys: KEYS }, ledger: { expiredMeanwhile: 1 } });
    expect((await bench.verify(manifest.id)).state).toBe('succeeded');
  });
});

describe('a set of keys by their hashes', () => {
  const MOST = 2n ** 64n - 1n;
  /** Many that share a half with others. */
  const hash = fc.oneof(
    fc.bigInt({ min: 0n, max: MOST }),
    fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 })).map(([high, low]) => (BigInt(high) << 32n) + BigInt(low)),
    fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n, MOST),
  );

  it('finds the place of each hash, and no other', () => {
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 40 }), fc.array(hash, { maxLength: 5 }), (hashes, others) => {
        const sorted = [...new Set(hashes)].sort((a, b) => (a < b ? -1 : 1));
        const set = keySetOf(BigUint64Array.from(hashes));
        expect(set.size).toBe(sorted.length);
        for (const each of [...hashes, ...others]) expect(set.placeOf(each)).toBe(sorted.indexOf(each));
        expect(sorted.map((_, place) => set.at(place))).toEqual(sorted);
      }),
      { numRuns: 500 },
    );
  });
});
