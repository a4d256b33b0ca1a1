import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startRedisServer, type RedisServer } from '../../dev/redis-server.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import type { RedisPort } from '../../lib/ports/redis.js';
import { absentKey, runOne } from '../../lib/redis/run-one.js';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';

const SECRET = 'a-value-that-nobody-may-see';

let server: RedisServer;
let standIn: UpstashRedisStandIn;
let port: RedisPort;

beforeAll(async () => {
  server = await startRedisServer();
  standIn = await startUpstashRedis({ redisUrl: server.url, token: 'sdk-token' });
  port = upstashRedis({ url: standIn.url, token: 'sdk-token', clock: systemClock() });
});
afterAll(async () => {
  await standIn.stop();
  await server.stop();
});

describe('runOne', () => {
  it('gives the replies that the types of the SDK promise', async () => {
    expect(await runOne(port, (sdk) => sdk.ping())).toEqual({ value: 'PONG' });
    expect(await runOne(port, (sdk) => sdk.set('k', '1', { px: 60_000, nx: true }))).toEqual({ value: 'OK' });
    expect(await runOne(port, (sdk) => sdk.set('k', '1', { px: 60_000, nx: true }))).toEqual({ value: null });
    expect(await runOne(port, (sdk) => sdk.exists('k'))).toEqual({ value: 1 });
    expect(await runOne(port, (sdk) => sdk.dbsize())).toEqual({ value: 1 });
    expect(await runOne(port, (sdk) => sdk.time())).toEqual({ value: [expect.any(Number), expect.any(Number)] });
    const info = await runOne(port, (sdk) => sdk.exec<string>(['INFO', 'server']));
    expect(info).toEqual({ value: expect.stringMatching(/^run_id:\w+/m) });
    const script = await runOne(port, (sdk) => sdk.eval<string[], string[]>('return ARGV', ['k'], ['SET', 'UNLINK']));
    expect(script).toEqual({ value: ['SET', 'UNLINK'] });
    expect(await runOne(port, (sdk) => sdk.unlink('k'))).toEqual({ value: 1 });
  });

  it('sends one request with one command for each call, and the port counts it', async () => {
    const before = [standIn.requestCount(), standIn.commandCount(), port.usage().requests, port.usage().commands];
    await Promise.all([1, 2, 3].map(() => runOne(port, (sdk) => sdk.exists(absentKey()))));
    const after = [standIn.requestCount(), standIn.commandCount(), port.usage().requests, port.usage().commands];
    expect(after.map((count, at) => count - (before[at] ?? 0))).toEqual([3, 3, 3, 3]);
  });

  it("gives what Redis refuses in the port's words, without the command", async () => {
    await runOne(port, (sdk) => sdk.set('text', 'v'));
    const refusals = [
      await runOne(port, (sdk) => sdk.lpush('text', SECRET)),
      await runOne(port, (sdk) => sdk.exec(['NO-SUCH-COMMAND', SECRET])),
      await runOne(port, (sdk) => sdk.exec(['SET', 'text', SECRET, 'PX', SECRET])),
    ];
    const commands = [
      ['LPUSH', 'text', SECRET],
      ['NO-SUCH-COMMAND', SECRET],
      ['SET', 'text', SECRET, 'PX', SECRET],
    ] as const;
    expect(refusals).toEqual(await port.pipeline(commands));
    for (const refusal of refusals) expect(refusal).toEqual({ error: expect.not.stringContaining(SECRET) });
    expect(refusals).toMatchObject([{ error: expect.stringMatching(/^WRONGTYPE/) }, {}, {}]);
  });

  it('treats an error without a text as a refusal', async () => {
    const silent: RedisPort = { ...port, host: port.host, pipeline: () => Promise.resolve([{ error: '' }]) };
    expect(await runOne(silent, (sdk) => sdk.ping())).toEqual({ error: 'no reply' });
  });

  it('lets a failure of the request through, without the command', async () => {
    const options = { clock: systemClock(), retry: { attempts: 1, baseMs: 1, capMs: 1 } };
    const others = {
      'redis-denied': upstashRedis({ ...options, url: standIn.url, token: 'another-token' }),
      'redis-unavailable': upstashRedis({ ...options, url: 'http://127.0.0.1:1', token: 'sdk-token' }),
    };
    for (const [code, other] of Object.entries(others)) {
      const error = await runOne(other, (sdk) => sdk.set('k', SECRET)).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code });
      expect(inspect(error, { depth: 9 })).not.toContain(SECRET);
    }
  });

  it('refuses pipelines, which go through the port', async () => {
    const requests = standIn.requestCount();
    await expect(runOne(port, (sdk) => sdk.pipeline().ping().dbsize().exec())).rejects.toThrow();
    expect(standIn.requestCount()).toBe(requests);
  });
});
