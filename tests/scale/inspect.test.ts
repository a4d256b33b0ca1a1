import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { productFlags, program, runNode } from '../bench/processes.d.js';
import { setStage, type Stage } from '../bench/stage.d.js';
import { openDatabase } from '../support/redis-calls.js';
import { dataOf, KEYS, megabytes, seconds, teller } from './data.js';

const MEMORY_LIMIT = 250e6;
const PATIENCE_MS = 60 * 60_000;

interface Looked {
  readonly code: number;
  readonly lines: number;
  readonly last: string;
  readonly totalMs: number;
  readonly processorSeconds: number;
  readonly peakBytes: number;
}

describe(`looking into a snapshot of ${KEYS.toLocaleString('en-US')} keys`, () => {
  const tell = teller();
  let stage: Stage;
  let id: string;
  let listed: Looked;
  const run = async (...args: string[]): Promise<Looked> => {
    const variables = { ...stage.variables('store'), UPSTASH_REDIS_REST_URL: stage.url };
    const looked = (await runNode([...(await productFlags()), program('look-inside'), ...args], variables)) as Looked;
    const { lines, peakBytes, processorSeconds, totalMs } = looked;
    tell(
      args.join(' '),
      `${lines} lines, ${seconds(totalMs)} (${processorSeconds.toFixed(1)} s of processor), peak ${megabytes(peakBytes)}`,
    );
    expect(peakBytes).toBeLessThan(MEMORY_LIMIT);
    return looked;
  };

  beforeAll(async () => {
    stage = await setStage(dataOf(KEYS), 0);
    tell('loaded', `${stage.keys} keys`);
    const taken = (await runNode([...(await productFlags()), program('take-snapshot')], stage.variables('store'))) as {
      id: string;
    };
    id = taken.id;
    listed = await run('ls', id);
  }, PATIENCE_MS);
  afterAll(() => stage.stop());

  it('lists every key', () => {
    expect([listed.code, listed.lines]).toEqual([0, stage.keys]);
  });

  it(
    'shows one key in under a tenth of the time',
    async () => {
      const redis = openDatabase(stage.redisUrl);
      const keys = await Promise.all(Array.from({ length: 3 }, () => redis.randomkey()));
      redis.disconnect();
      for (const key of keys) {
        const one = await run('cat', id, key ?? '');
        expect(one.code).toBe(0);
        expect(one.processorSeconds).toBeLessThan(listed.processorSeconds / 10);
      }
    },
    PATIENCE_MS,
  );

  it(
    'finds a text in all of them',
    async () => {
      expect((await run('find', 'no text that anybody wrote', '--in', id)).code).toBe(10);
    },
    PATIENCE_MS,
  );

  it(
    'compares all of them with themselves, and with the database',
    async () => {
      const same = await run('diff', id, id);
      expect([same.code, same.last]).toEqual([0, expect.stringContaining('hold the same')]);
      const live = await run('diff', id, 'live');
      // Some keys' time may be over by now: as many as are removed.
      expect([live.code, live.last]).toEqual([0, expect.stringMatching(/hold the same| 0 +0 +(\d+) +\1 +[\d,]+$/)]);
    },
    PATIENCE_MS,
  );
});
