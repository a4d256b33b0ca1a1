import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { RequestListener } from 'node:http';
import { AppError } from '../../lib/errors.js';
import { qstashQueue } from '../../lib/services/qstash.js';
import { message } from '../contracts/queue.js';
import { serveHttp } from '../../dev/stand-in-server.js';
import { openRig, QUICK, type Rig } from '../dev/fixtures/queue.js';

describe('qstashQueue under faults', () => {
  let rig: Rig;
  beforeEach(async () => {
    // The SDK writes a line for every failed request.
    jest.spyOn(console, 'error').mockImplementation(() => undefined);
    rig = await openRig();
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await rig.close();
  });

  const bodies = (): string[] => rig.received.map(({ body }) => body.toString('utf8')).sort();
  const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n)).sort();
  const failure = async (promise: Promise<unknown>): Promise<AppError> => {
    const error: unknown = await promise.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(AppError);
    return error as AppError;
  };

  it('publishes only the refused messages again', async () => {
    const asked: string[] = [];
    rig.qstash.setFaults({
      failItem: ({ body }) => {
        asked.push(body);
        return Number(body) % 3 === 0 && asked.filter((each) => each === body).length < 3;
      },
    });
    await rig.queue.publish(numbers(9).map((text) => message(text)));
    await rig.settled();
    expect(bodies()).toEqual(numbers(9));
    expect(asked.filter((body) => body === '1')).toHaveLength(1);
    expect(asked.filter((body) => body === '3')).toHaveLength(3);
  });

  it('says how many messages were refused after all attempts', async () => {
    rig.qstash.setFaults({ failItem: ({ body }) => body === '4' });
    const error = await failure(rig.queue.publish(numbers(6).map((text) => message(text))));
    expect(error).toMatchObject({ code: 'queue-unavailable', transient: true });
    expect(error.message).toContain('1 of 6');
    await rig.settled();
    expect(bodies()).toEqual(['0', '1', '2', '3', '5']);
  });

  it('sends at most 100 messages at a time', async () => {
    const places: number[] = [];
    rig.qstash.setFaults({ failItem: ({ index }) => places.push(index) < 0 });
    await rig.queue.publish(numbers(201).map((text) => message(text)));
    expect(places).toHaveLength(201);
    expect(places.filter((place) => place === 0)).toHaveLength(3);
    expect(Math.max(...places)).toBe(99);
  });

  it('survives a service that is down for a while', async () => {
    rig.qstash.setFaults({ rejectPublish: { status: 503, times: 3 } });
    await rig.queue.publish([message('1')]);
    await rig.settled();
    expect(bodies()).toEqual(['1']);
  });

  it('sends one request per attempt, without retries of the SDK', async () => {
    rig.qstash.setFaults({ rejectPublish: { status: 503, times: 3 } });
    const hasty = rig.another({ retry: { ...QUICK, attempts: 1 } });
    for (let n = 0; n < 3; n++) await failure(hasty.publish([message('1')]));
    await hasty.publish([message('1')]);
    await rig.settled();
    expect(bodies()).toEqual(['1']);
  });

  it.each([
    { status: 401, code: 'queue-denied', transient: false },
    { status: 403, code: 'queue-denied', transient: false },
    { status: 400, code: 'queue-unavailable', transient: false },
    { status: 500, code: 'queue-unavailable', transient: true },
    { status: 502, code: 'queue-unavailable', transient: true },
  ])('turns status $status into $code', async ({ status, code, transient }) => {
    rig.qstash.setFaults({ rejectPublish: { status, body: `secret ${rig.qstash.token}` } });
    const error = await failure(rig.queue.publish([message('"value"')]));
    expect(error).toMatchObject({ code, transient });
    const told = `${error.message} ${error.hint} ${String(error.cause)} ${error.stack ?? ''}`;
    expect(told).not.toContain(rig.qstash.token);
    expect(told).not.toContain('value');
  });

  it('does not continue with a wrong token', async () => {
    const error = await failure(rig.another({ token: 'wrong-token' }).publish([message('1')]));
    expect(error.code).toBe('queue-denied');
    expect(JSON.stringify([error.message, error.hint])).not.toContain('wrong-token');
  });

  it('does not try again on the same day when the quota is used up', async () => {
    const headers = { 'RateLimit-Limit': '1000', 'RateLimit-Remaining': '0', 'RateLimit-Reset': '1795000000' };
    rig.qstash.setFaults({ rejectPublish: { status: 429, headers, times: 1 } });
    const error = await failure(rig.queue.publish([message('1')]));
    expect(error).toMatchObject({ code: 'queue-unavailable', transient: false });
    expect(error.hint).toContain('plan');
  });

  it('waits until the rate limit is reset', async () => {
    const now = 1_795_000_000_000;
    const slept: number[] = [];
    const clock = { now: () => now, sleep: (ms: number) => Promise.resolve(void slept.push(ms)) };
    const headers = { 'Burst-RateLimit-Limit': '100', 'Burst-RateLimit-Reset': String(now / 1000 + 3) };
    rig.qstash.setFaults({ rejectPublish: { status: 429, headers, times: 1 } });
    await rig.another({ clock }).publish([message('1')]);
    await rig.settled();
    expect(slept).toEqual([3000]);
    expect(bodies()).toEqual(['1']);
  });

  it('calls a service that is not there unavailable', async () => {
    await rig.qstash.stop();
    const error = await failure(rig.queue.publish([message('1')]));
    expect(error).toMatchObject({ code: 'queue-unavailable', transient: true });
  });

  it.each([
    ['answers with something else', 'text/html', '<html>hello</html>'],
    ['answers with no list of results', 'application/json', '{"ok":true}'],
    ['answers with too short a list', 'application/json', '[]'],
  ])('does not count it as success when a server %s', async (_, type, body) => {
    rig.qstash.setFaults({ rejectPublish: { status: 200, headers: { 'content-type': type }, body } });
    const error = await failure(rig.queue.publish([message('1')]));
    expect(error).toMatchObject({ code: 'queue-unavailable', transient: true });
  });

  it('gives up on a server that never answers', async () => {
    const { stop, url } = await serveHttp(() => undefined);
    const error = await failure(rig.another({ url, timeoutMs: 30, retry: QUICK }).publish([message('1')]));
    expect(error).toMatchObject({ code: 'queue-unavailable', transient: true });
    await stop();
  });

  it('ignores QSTASH variables in the environment', async () => {
    const names = { QSTASH_DEV: 'true', QSTASH_REGION: 'US_EAST_1', QSTASH_TOKEN: 'other', QSTASH_URL: 'http://x' };
    const before = Object.fromEntries(Object.keys(names).map((name) => [name, process.env[name]]));
    Object.assign(process.env, names);
    try {
      await rig.another({}).publish([message('1')]);
    } finally {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = value;
      }
    }
    await rig.settled();
    expect(bodies()).toEqual(['1']);
  });

  describe('reading its signing keys', () => {
    const answering = async (listener: RequestListener, path = ''): Promise<AppError> => {
      const { stop, url } = await serveHttp(listener);
      const queue = qstashQueue({
        url: `${url}${path}`,
        token: 'a-token',
        currentSigningKey: 'sig_current',
        nextSigningKey: 'sig_next',
        endpoint: 'https://backup.example.com/api/tasks',
        clock: { now: () => Date.now(), sleep: () => Promise.resolve() },
        retry: QUICK,
        timeoutMs: 2_000,
      });
      const error = await failure(queue.health());
      await stop();
      return error;
    };
    const KEYS = JSON.stringify({ current: 'sig_current', next: 'sig_next' });

    it('uses the path of its URL, as publishing does', async () => {
      const found = await answering((request, response) => {
        response.writeHead(request.url === '/v2/keys' ? 200 : 404).end(KEYS);
      }, '/some/path');
      expect(found).toMatchObject({ code: 'queue-unavailable', message: expect.stringContaining('404') });
    });

    it('does not follow a redirect with its token', async () => {
      const asked: string[] = [];
      const found = await answering((request, response) => {
        asked.push(request.url ?? '');
        response.writeHead(request.url === '/v2/keys' ? 307 : 200, { location: '/elsewhere' }).end(KEYS);
      });
      expect([found.code, asked]).toEqual(['queue-unavailable', ['/v2/keys']]);
    });

    it.each<[string, RequestListener]>([
      ['does not end', (_, response) => void response.writeHead(200).write('{"current":')],
      ['asks to come later', (_, response) => void response.writeHead(429, { 'retry-after': '1' }).end()],
    ])('treats an answer that %s as transient', async (_, listener) => {
      expect(await answering(listener)).toMatchObject({
        code: 'queue-unavailable',
        transient: true,
        hint: expect.stringContaining('QSTASH_'),
      });
    });
  });
});
