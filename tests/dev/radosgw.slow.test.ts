import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { s3Store } from '../../lib/stores/s3/store.js';
import { startRadosgw } from '../../dev/radosgw/index.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'radosgw-test-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Process ids whose working folder lies in `folder`: the daemons of its clusters. */
async function daemonsIn(where: string): Promise<string[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found: string[] = [];
  for (const pid of all) {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    if (environment.includes(`CEPH_CONF=${where}/`)) found.push(pid);
  }
  return found;
}

describe('startRadosgw', () => {
  it('runs several at once, each with its own objects, and leaves nothing behind', async () => {
    const clusters = await Promise.all([startRadosgw({ folder }), startRadosgw({ folder })]);
    try {
      const stores = clusters.map((it) => s3Store({ ...it, credentials: it, bucket: 'same', prefix: '' }));
      for (const [at, store] of stores.entries()) {
        await clusters[at]?.createBucket('same');
        await store.create('name', Buffer.from(`cluster ${at}`));
      }
      const bodies = await Promise.all(stores.map(async (store) => (await store.read('name'))?.body.toString()));
      expect(bodies).toEqual(['cluster 0', 'cluster 1']);
      expect(await daemonsIn(folder)).toHaveLength(6);
    } finally {
      for (const cluster of clusters) await cluster.stop();
    }
    expect(await daemonsIn(folder)).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
    await expect(fetch(clusters[0].endpoint)).rejects.toThrow();
  });

  it('ends with the process that started it, even one that is killed', async () => {
    const module = new URL('../../dist/dev/radosgw/index.js', import.meta.url).href;
    const code = `import { startRadosgw } from ${JSON.stringify(module)};
      console.log((await startRadosgw({ folder: ${JSON.stringify(folder)} })).endpoint);
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    expect(await daemonsIn(folder)).toHaveLength(3);
    child.kill('SIGKILL');
    while ((await readdir(folder)).length > 0 || (await daemonsIn(folder)).length > 0) await delay(20);
  });
});
