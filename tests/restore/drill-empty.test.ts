import { expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { startDrill } from '../../lib/restore/drill/run.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { openRestoreBench } from '../support/restore-bench.js';
import { startTestDatabase } from '../support/test-database.js';

it('a drill of a snapshot without keys is inconclusive: it would prove nothing', async () => {
  const bench = await openRestoreBench();
  const scratch = await startTestDatabase();
  const server = await startUpstashRedis({ redisUrl: scratch.url, token: 'scratch' });
  try {
    const { id } = await bench.snapshot();
    await bench.database.redis.set('a', '1');
    bench.clock.advance(1000);
    const parts = { targets: { drill: upstashRedis({ url: server.url, token: 'scratch', clock: systemClock() }) } };
    const ports = { clock: bench.clock, redisOf: () => bench.port, signer: UNSIGNED, store: bench.folder.store };
    const started = await startDrill(ports, bench.engine(parts));
    if (!started.started) throw new Error(`held by ${started.holder}`);
    const run = await bench.work(started.run.id, parts);
    expect(run).toMatchObject({ state: 'incomplete', result: { outcome: 'inconclusive', snapshot: id } });
    expect(run.error?.message).toContain('holds no key');
  } finally {
    await server.stop();
    await scratch.stop();
    await bench.stop();
  }
});
