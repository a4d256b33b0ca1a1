import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { bodyOf, serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import { upstashRedis, type UpstashRedisOptions } from '../../lib/services/upstash-redis/redis.js';
import type { AppError } from '../../lib/errors.js';
import type { RedisPort } from '../../lib/ports/redis.js';

type Behaviour = (response: ServerResponse, request: IncomingMessage) => void;

const SECRETS = ['secret-token', 'secret-key', 'secret-value'];
const SET = ['SET', 'secret-key', 'secret-value'] as const;
const NOW = Date.parse('2026-11-20T02:00:00Z');

let server: HttpServer;
let script: Behaviour[];
let slept: number[];

beforeAll(async () => {
  server = await serveHttp(async (request, response) => {
    await bodyOf(request);
    const behaviour = script.length > 1 ? script.shift() : script[0];
    behaviour?.(response, request);
  });
});
afterAll(() => server.stop());
beforeEach(() => {
  slept = [];
});

/** A port whose server behaves as told, the last behaviour for ever; its clock notes how long it would sleep. */
function port(behaviours: Behaviour[], options: Partial<UpstashRedisOptions> = {}): RedisPort {
  script = [...behaviours];
  const sleep = (ms: number): Promise<void> => Promise.resolve(void slept.push(ms));
  const retry = { attempts: 3, baseMs: 10, capMs: 5_000 };
  return upstashRedis({ url: server.url, token: 'secret-token', clock: { now: () => NOW, sleep }, retry, ...options });
}

function answer(status: number, body: unknown, headers: Record<string, string> = {}): Behaviour {
  return (response) => {
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

const GOOD = answer(200, [{ result: 'OK' }]);
const HANG: Behaviour = () => undefined;
const CUT: Behaviour = (response) => {
  response.writeHead(200, { 'content-length': '1000' });
  response.write('[{"result":"aGFsZiBhIHNlY3JldC12YWx1ZQ', () => response.destroy());
};

it.each([
  'LOADING Redis is loading the dataset in memory',
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
])('asks again while a server is not ready: %s', async (text) => {
  const starting = answer(200, [{ error: text }]);
  expect(await port([starting, starting, GOOD]).pipeline([SET])).toEqual([{ value: Buffer.from('OK') }]);
  expect(slept).toHaveLength(2);
  expect(await failure(port([starting]))).toMatchObject({ code: 'redis-unavailable', transient: true });
});

async function failure(redis: RedisPort): Promise<AppError> {
  const error = await redis.pipeline([SET]).then(
    () => undefined,
    (reason: unknown) => reason as AppError,
  );
  if (error === undefined) throw new Error('the batch did not fail');
  const told = `${error.message} ${error.hint} ${String(error.cause)} ${JSON.stringify(error)}`;
  for (const secret of SECRETS) expect(told).not.toContain(secret);
  expect(error.hint).not.toBe('');
  return error;
}

const quoting = `ERR failed near 'secret-value', command was: ["SET","secret-key","secret-value"]`;
const cap = 'ERR max requests limit exceeded. Limit: 500000, Usage: 500000';
const size = 'ERR max request size exceeded. Limit: 1048576 bytes, Actual: 2000000 bytes';

describe('what Upstash refuses for good', () => {
  it.each([
    ['a wrong token', 401, { error: 'Unauthorized' }, 'redis-denied'],
    ['a forbidden address', 403, 'Forbidden', 'redis-denied'],
    ['a wrong password', 400, { error: 'WRONGPASS invalid or missing auth token secret-token' }, 'redis-denied'],
    [
      'a read-only token',
      400,
      { error: "NOPERM this user has no permissions to run the 'set' command" },
      'redis-denied',
    ],
    ['the monthly cap', 400, { error: cap }, 'redis-limit'],
    ['the monthly cap as 429', 429, { error: cap }, 'redis-limit'],
    ['the monthly cap on the command', 200, [{ error: cap }], 'redis-limit'],
    ['the daily cap of old plans', 400, { error: 'ERR max daily request limit exceeded.' }, 'redis-limit'],
    ['a request over the limit', 413, '<html>Too Large</html>', 'redis-reply-too-large'],
    ['a reply over the limit', 400, { error: size }, 'redis-reply-too-large'],
    ['a batch it cannot read', 400, { error: quoting }, 'redis-command'],
  ])('%s', async (_, status, body, code) => {
    const redis = port([answer(status, body)]);
    expect(await failure(redis)).toMatchObject({ code, transient: false });
    expect(redis.usage()).toMatchObject({ requests: 1, commands: status === 200 ? 1 : 0 });
  });

  it('a reply over the size limit for one command stays with that command', async () => {
    const redis = port([answer(200, [{ error: size }, { result: 'OK' }])]);
    expect(await redis.pipeline([['GET', 'size'], SET])).toEqual([{ error: size }, { value: Buffer.from('OK') }]);
  });
});

describe('what may be tried again', () => {
  it.each([
    ['an internal error', answer(500, { error: quoting })],
    ["a proxy's page", answer(502, '<html>secret-value</html>')],
    ['a page instead of an answer', answer(200, '<html>secret-value</html>')],
    ['a page instead of the service', answer(404, '<html></html>')],
    ['a redirect', answer(302, '', { location: 'http://127.0.0.1:1/' })],
    ['too few answers', answer(200, [])],
    ['too many answers', answer(200, [{ result: 'OK' }, { result: 'OK' }])],
    ['an answer without a result', answer(200, [{}])],
    ['an object where a value belongs', answer(200, [{ result: { secret: 'secret-value' } }])],
    ['strings that are no base64', answer(200, [{ result: 'a: secret-value' }])],
    ['a cut connection', CUT],
  ])('%s', async (_, behaviour) => {
    const redis = port([behaviour]);
    expect(await failure(redis)).toMatchObject({ code: 'redis-unavailable', transient: true });
    expect(redis.usage().requests).toBe(3);
    expect(await port([behaviour, GOOD]).pipeline([SET])).toEqual([{ value: Buffer.from('OK') }]);
  });

  it('no answer in time', async () => {
    const redis = port([HANG], { timeoutMs: 50, retry: { attempts: 1, baseMs: 1, capMs: 1 } });
    expect(await failure(redis)).toMatchObject({
      code: 'redis-unavailable',
      message: expect.stringContaining('50 ms'),
    });
    // It may have been run, and then it is billed.
    expect(redis.usage()).toMatchObject({ requests: 1, commands: 1 });
  });

  it('nobody there', async () => {
    const redis = port([GOOD], { url: 'http://127.0.0.1:1' });
    expect(await failure(redis)).toMatchObject({ code: 'redis-unavailable', transient: true });
  });

  it('a rate limit, after the time it asks for, in seconds or as a date', async () => {
    const seconds = answer(429, { error: 'slow down' }, { 'retry-after': '2' });
    const date = answer(429, '', { 'retry-after': new Date(NOW + 3_000).toUTCString() });
    expect(await port([seconds, date, GOOD]).pipeline([SET])).toEqual([{ value: Buffer.from('OK') }]);
    expect(slept).toEqual([2_000, 3_000]);
    expect(await failure(port([seconds]))).toMatchObject({ code: 'redis-limit', transient: true, retryAfterMs: 2_000 });
  });
});

describe('the limit of commands a second, which others share', () => {
  const refused = answer(429, { error: 'ERR too many commands per second' });
  const reply = [{ value: Buffer.from('OK') }];

  it.each([
    ['small', 'v', 50, 1200],
    ['large', 'v'.repeat(70_000), 200, 300],
  ])('is waited for many times, never for long: a %s request', async (_size, value, mostMs, tries) => {
    const retry = { attempts: 3, baseMs: 200, capMs: 20_000 };
    const commands: [string, string, string][] = [['SET', 'k', value]];
    const redis = port([...Array.from({ length: 40 }, () => refused), GOOD], { retry });
    expect(await redis.pipeline(commands)).toEqual(reply);
    expect(slept).toHaveLength(40);
    expect(Math.max(...slept)).toBeLessThanOrEqual(mostMs);
    await expect(port([refused], { retry }).pipeline(commands)).rejects.toMatchObject({
      code: 'redis-limit',
      transient: true,
    });
    expect(slept).toHaveLength(40 + tries - 1);
  });

  it('is not waited for where commands must not be sent twice', async () => {
    const retry = { attempts: 1, baseMs: 200, capMs: 20_000 };
    expect(await failure(port([refused, GOOD], { retry }))).toMatchObject({ code: 'redis-limit' });
    expect(slept).toEqual([]);
  });
});

describe('limits and headers', () => {
  it('gives up a reply over its limit half way, once', async () => {
    const endless: Behaviour = (response) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', more);
      more();
    };
    const redis = port([endless], { maxReplyBytes: 300_000 });
    expect(await failure(redis)).toMatchObject({ code: 'redis-reply-too-large', transient: false });
    expect(redis.usage()).toMatchObject({ requests: 1, commands: 1 });
    expect(redis.usage().bytesReceived).toBeGreaterThan(300_000);
  });

  it('hands the sync token of each reply to the next request', async () => {
    const seen: unknown[] = [];
    const step =
      (token: string): Behaviour =>
      (response, request) => {
        seen.push(request.headers['upstash-sync-token'], request.headers.authorization);
        answer(200, [{ result: 'OK' }], { 'upstash-sync-token': token })(response, request);
      };
    const redis = port([step('one'), step('two')]);
    await redis.pipeline([SET]);
    await redis.transaction([SET]);
    expect(seen).toEqual(['', 'Bearer secret-token', 'one', 'Bearer secret-token']);
  });

  it.each([
    ['a redis:// URL', { url: 'rediss://default:secret-token@db.upstash.io:6379' }],
    ['no URL', { url: '' }],
    ['a token with a line end', { token: 'secret-token\n' }],
    ['an empty token', { token: '' }],
  ])('refuses %s at once, without quoting it', (_, wrong) => {
    let error: unknown;
    try {
      port([GOOD], wrong);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'config', message: expect.not.stringContaining('secret') });
  });

  it('names the host without credentials, with a path where it has one', () => {
    expect(port([GOOD], { url: 'https://user:pass@eu1-x.upstash.io/some/path/' }).host).toBe(
      'eu1-x.upstash.io/some/path',
    );
    expect(port([GOOD], { url: 'https://eu1-x.upstash.io/' }).host).toBe('eu1-x.upstash.io');
  });
});
