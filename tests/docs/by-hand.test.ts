import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { loadWorkspace } from '../../dev/data/index.js';
import { startRedisServer, type RedisServer } from '../../dev/redis-server.js';
import { changes, dumpOf } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const RUNBOOK = join(import.meta.dirname, '../../docs/operations.md');

/** The first shell block below a heading of the runbook. */
async function shellBlock(heading: string): Promise<string> {
  const text = await readFile(RUNBOOK, 'utf8');
  const section = text.slice(text.indexOf(`\n${heading}\n`));
  return /```sh\n([\s\S]*?)```/.exec(section)?.[1] ?? '';
}

describe('restoring by hand', () => {
  let bench: RestoreBench;
  let empty: RedisServer;
  beforeAll(async () => {
    bench = await openRestoreBench();
    empty = await startRedisServer({});
  });
  afterAll(async () => {
    await bench.stop();
    await empty.stop();
  });

  it('works with the command of the runbook alone: zcat, jq and redis-cli', async () => {
    await loadWorkspace({ redisUrl: bench.database.url, projects: 2, items: 60, seed: 3 });
    const { redis } = bench.database;
    await redis.mset({ 'odd: "quotes"\r\n': 'a\tb\u0001 \u00fc \u{1f600}', empty: '' });
    await redis.zadd('scores', '-inf', 'low', '0.1', 'tenth', 'inf', 'high');
    await redis.rpush('many', ...Array.from({ length: 5000 }, (_, n) => `item ${n}`));
    await redis.set('brief', 'value', 'PX', 3_600_000);
    const { id } = await bench.snapshot({ settings: { partBytes: 60_000 } });
    const { stdout } = await execa('bash', ['-c', await shellBlock('## Restoring by hand')], {
      cwd: join(bench.folder.folder, 'snapshots', id),
      env: { REDIS_URL: empty.url },
    });
    expect(stdout).toContain('errors: 0');
    expect(changes(await bench.dump(), await dumpOf(empty.url))).toEqual([]);
  });
});
