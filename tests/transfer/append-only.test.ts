import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openTransferBench, type TransferBench } from './transfer-bench.js';

let bench: TransferBench;
beforeAll(async () => {
  bench = await openTransferBench();
  await bench.database.redis.set('older', 'v');
});
afterAll(() => bench.stop());

it('neither half of an append-only file is taken for a whole database', async () => {
  const { redis, url } = bench.database;
  await redis.config('SET', 'appendonly', 'yes');
  const isRewritten = async (): Promise<boolean> => {
    const info = await redis.info('persistence');
    return /aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info);
  };
  while (!(await isRewritten())) await delay(10);
  await redis.set('newer', 'v');
  const folder = join(dirname(url), 'appendonlydir');
  const files = (await readdir(folder)).filter((name) => /\.(rdb|aof)$/.test(name)).sort();
  await redis.config('SET', 'appendonly', 'no');
  expect(files).toEqual([expect.stringMatching(/\.base\.rdb$/), expect.stringMatching(/\.incr\.aof$/)]);
  for (const name of files) {
    await expect(bench.staged(join(folder, name))).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/append-only file.*Nothing was written$/),
      hint: expect.stringContaining('BGSAVE'),
    });
  }
  // A file of the same commands by another name is a dump like any other.
  const path = await bench.file('dump.resp', await readFile(join(folder, files[1] ?? '')));
  await (await bench.staged(path)).store.discard();
});
