import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isOver, type RunRecord } from '../../lib/runs/model.js';
import type { Budget } from '../../lib/runs/attempt.js';
import { catalogEntry } from '../../lib/snapshot/catalog.js';
import { isGood } from '../support/trust.js';
import { loadManifest } from '../../lib/snapshot/manifest.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { budgetUntil, openSnapshotBench, TIMES, type SnapshotBench } from '../support/snapshot-bench.js';
import { dyingStore } from './intercept.js';
import { recordsByKey, storedLines } from './lines.js';
import { STRIDE } from '../support/fast-check.js';

const SETTINGS = { partBytes: 900, pageBytes: 1, inFlight: 1 };
const KEYS = 12;

describe('a process that dies', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench({ replyBytes: 20_000 });
    for (let at = 0; at < KEYS - 2; at++) await bench.database.redis.set(`feedback:p:${at}`, `value ${at}`);
    const texts = Array.from({ length: 300 }, (_, at) => `${at} ${'text '.repeat(14)}`);
    await bench.database.redis.sadd('big', ...texts);
    await bench.database.redis.xadd('stream', '1-1', 'f', 'v');
  });
  afterAll(() => bench.stop());

  /** Takes a snapshot with a process that dies at its n-th write, and another that takes over. */
  async function takeWithDeath(atWrite: number, when: 'before' | 'after') {
    // One that dies after the end of its run and before it gives the lease back keeps others waiting for so long.
    bench.clock.advance(TIMES.holdMs + 1000);
    const mortal = dyingStore(bench.folder.store, atWrite, when);
    const started = await startSnapshot(bench.engine(), 'cron');
    if (!started.started) throw new Error(`held by ${started.holder}`);
    const { id } = started.run;
    const budget = (): Budget => budgetUntil(bench.clock.now() + 1000);
    const first = await bench
      .engine({ store: mortal.store, settings: SETTINGS })
      .work(id, budget())
      .catch(() => null);
    // The next process comes when the dead one's lease has run out.
    bench.clock.advance(TIMES.attemptTtlMs + 1);
    let run: RunRecord | null = mortal.isDead() ? null : first;
    while (run === null || !isOver(run)) run = await bench.engine({ settings: SETTINGS }).work(id, budget());
    return { id, run, died: mortal.isDead() };
  }

  it.each(['before', 'after'] as const)(
    '%s any one of its writes reached the store leaves a whole snapshot',
    async (when) => {
      let atWrite = 1;
      for (; ; atWrite += STRIDE) {
        const { id, run, died } = await takeWithDeath(atWrite, when);
        if (!died) break;
        const manifest = (await loadManifest(bench.folder.store, id))?.manifest;
        if (manifest === undefined) throw new Error(`no manifest after death ${when} write ${atWrite}`);
        expect(run).toMatchObject({ state: 'succeeded', result: { keys: KEYS, failed: 0 } });
        expect({ ...(await bench.compare(id)), atWrite }).toMatchObject({
          keys: KEYS,
          onlyInRedis: 0,
          different: 0,
          atWrite,
        });
        expect(manifest).toMatchObject({ counts: { keys: KEYS }, ledger: { saved: KEYS } });
        expect((await recordsByKey(bench, manifest)).size).toBe(KEYS);
        const entry = await catalogEntry(bench.folder.store, id);
        expect(entry !== null && isGood(entry)).toBe(true);
        for await (const { name } of bench.folder.store.list(`runs/${id}/parts/`)) throw new Error(`${name} is left`);
      }
      expect(atWrite).toBeGreaterThan(16);
    },
  );

  it('leaves parts that no manifest lists', async () => {
    let orphans = 0;
    for (const atWrite of [4, 5, 7]) {
      const { id } = await takeWithDeath(atWrite, 'after');
      const manifest = (await loadManifest(bench.folder.store, id))?.manifest;
      if (manifest === undefined) throw new Error('no manifest');
      const named = new Set(manifest.parts.map(({ name }) => name));
      for await (const { name } of bench.folder.store.list(`snapshots/${id}/part-`)) {
        if (!named.has(name.split('/').at(-1) ?? '')) orphans += 1;
      }
      const lines = await storedLines(bench, manifest);
      expect(lines.filter(({ i }) => i === undefined || i === 0)).toHaveLength(KEYS + manifest.doubles.length);
      expect((await bench.verify(id)).result).toMatchObject({ keys: KEYS, findings: [] });
    }
    expect(orphans).toBeGreaterThan(0);
  });
});
