import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RedisReply, RedisValue } from '../../lib/ports/redis.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { intercept, ticking } from './intercept.js';
import { recordsByKey, storedLines } from './lines.js';

const KEYS = 100;

/** One page of SCAN: the cursor and the names, each followed by its type. */
type Page = readonly [next: string, ...keys: string[]];

describe('a SCAN with every behaviour that its guarantees allow', () => {
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
