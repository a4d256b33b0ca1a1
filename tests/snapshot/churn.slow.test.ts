import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { recordsByKey } from './lines.js';
import { fill, withoutRunId } from './restarts.js';

/** CHURN_MINUTES=60 makes an hour of each of it. */
const MINUTES = Number(process.env['CHURN_MINUTES'] ?? 0.1);
const PER_SECOND = 200;
const TICK_MS = 20;
const STAYING = 5_000;

/**
 * Writes, overwrites, deletes, expires, renames and copies keys, about as many times a second as told. Names come back,
 * as those of locks and sessions do.
 */
function writer(bench: SnapshotBench): { stop(): Promise<number> } {
  const stop = new AbortController();
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  const work = (async () => {
    let writes = 0;
    const began = Date.now();
    while (!stop.signal.aborted) {
      await delay(TICK_MS);
      const due = Math.floor(((Date.now() - began) * PER_SECOND) / 1000) - writes;
      const batch = bench.database.redis.pipeline();
      for (let at = 0; at < due; at++) {
        const name = `moving:${random(2_000)}`;
        const other = `moving:${random(2_000)}`;
        const kinds = [
          () => batch.set(name, 'v'),
          () => batch.set(name, 'v', 'PX', 1 + random(3_000)),
          () => batch.del(name),
          () => batch.set(`once:${writes + at}`, 'v', 'PX', 1 + random(500)),
          () => batch.copy(name, other, 'REPLACE'),
          () => batch.del(name).rpush(name, 'a', 'b'),
        ];
        kinds[random(kinds.length)]?.();
      }
      writes += due;
      await batch.exec();
    }
    return writes;
  })();
  return {
    stop: () => {
      stop.abort();
      return work;
    },
  };
}

describe('a client that writes, deletes and expires keys 200 times a second beside it', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
    await fill(bench, STAYING);
  });
  afterAll(() => bench.stop());

  it.each([true, false])(
    'makes no snapshot incomplete, and none lacks a key that was there all the while (run_id told: %s)',
    async (tells) => {
      const redis = tells ? bench.port : withoutRunId(bench.port);
      const client = writer(bench);
      let taken = 0;
      try {
        for (const end = Date.now() + MINUTES * 60_000; Date.now() < end; taken++) {
          const { run, manifest } = await bench.take({ redis, settings: { pageBytes: 20_000, inFlight: 2 } });
          expect([run.state, run.error]).toEqual(['succeeded', null]);
          if (manifest === null) throw new Error('no manifest');
          const records = await recordsByKey(bench, manifest);
          const staying = [...records.keys()].filter((key) => key.startsWith('"k:'));
          expect(staying).toHaveLength(STAYING);
          expect(manifest.names?.walks).toBeLessThanOrEqual(5);
        }
      } finally {
        const writes = await client.stop();
        if (MINUTES > 1) process.stdout.write(`${taken} snapshots beside ${writes} writes (run_id told: ${tells})\n`);
      }
      expect(taken).toBeGreaterThan(0);
    },
    (2 * MINUTES + 5) * 60_000,
  );
});
