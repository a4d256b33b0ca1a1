import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../lib/adapters/clock.js';
import { qstashQueue } from '../../lib/adapters/qstash-queue.js';
import type { QstashQueueOptions } from '../../lib/adapters/qstash-queue.js';
import { AppError } from '../../lib/errors.js';
import { startQstash } from '../../lib/local/qstash/index.js';
import type { Qstash, QstashOptions } from '../../lib/local/qstash/index.js';
import { signDelivery } from '../../lib/local/qstash/signing.js';
import { message, queueContract } from '../contracts/queue.js';
import type { QueueRig } from '../contracts/queue.js';
import { openReceiver } from '../local/fixtures/receiver.js';

const QUICK = { attempts: 4, baseMs: 1, capMs: 5_000 };

interface Rig extends QueueRig {
  readonly qstash: Qstash;
  readonly endpoint: string;
  /** Another queue over the same stand-in. */
  another(options: Partial<QstashQueueOptions>): ReturnType<typeof qstashQueue>;
}

async function openRig(options: QstashOptions = {}): Promise<Rig> {
  const receiver = await openReceiver();
  const qstash = await startQstash({ speed: 100_000, dedupWindowMs: 60_000, ...options });
  const endpoint = `${receiver.url}/api/tasks`;
  const { url, token, currentSigningKey, nextSigningKey } = qstash;
  const base = { url, token, currentSigningKey, nextSigningKey, endpoint, clock: systemClock(), retry: QUICK };
  return {
    qstash,
    endpoint,
    another: (changed) => qstashQueue({ ...base, ...changed }),
    queue: qstashQueue(base),
    received: receiver.received,
    answer: (decide) => receiver.answer(decide),
    signature: ({ headers }) => String(headers['upstash-signature']),
    final: { status: 489, headers: { 'Upstash-NonRetryable-Error': 'true' } },
    settled: () => qstash.idle(),
    async close() {
      await qstash.stop();
      await receiver.close();
    },
  };
}

// A minute of the vendor's time is 300 ms here: long enough to tell waits apart, short enough to wait for.
queueContract('qstashQueue', () => openRig({ speed: 200, parallelism: 50 }));

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

  it('publishes the items again that failed alone, and only those', async () => {
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

  it('says how many items were refused to the end', async () => {
    rig.qstash.setFaults({ failItem: ({ body }) => body === '4' });
    const error = await failure(rig.queue.publish(numbers(6).map((text) => message(text))));
    expect(error).toMatchObject({ code: 'queue-unavailable', transient: true });
    expect(error.message).toContain('1 of 6');
    await rig.settled();
    expect(bodies()).toEqual(['0', '1', '2', '3', '5']);
  });

  it('asks for at most 100 messages at a time', async () => {
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

  it('sends once a try, whatever the SDK would like', async () => {
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

  it('refuses to go on with a wrong token', async () => {
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
  ])('does not take it for success when a server %s', async (_, type, body) => {
    rig.qstash.setFaults({ rejectPublish: { status: 200, headers: { 'content-type': type }, body } });
    const error = await failure(rig.queue.publish([message('1')]));
    expect(error).toMatchObject({ code: 'queue-unavailable', transient: true });
  });

  it('gives up on a server that never answers', async () => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const error = await failure(rig.another({ url, timeoutMs: 30, retry: QUICK }).publish([message('1')]));
    expect(error).toMatchObject({ code: 'queue-unavailable', transient: true });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('takes no notice of QSTASH variables in the environment', async () => {
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
});

describe('qstashQueue.verify', () => {
  let rig: Rig;
  beforeEach(async () => (rig = await openRig()));
  afterEach(() => rig.close());

  const sign = (more: { key?: string; url?: string; at?: number } = {}): string =>
    signDelivery(
      more.key ?? rig.qstash.currentSigningKey,
      more.url ?? rig.endpoint,
      Buffer.from('{}'),
      more.at ?? Date.now(),
    );
  const verify = (signature: string): Promise<boolean> => rig.queue.verify({ body: '{}', signature });

  it('accepts both keys, so that they can be rotated', async () => {
    expect(await verify(sign())).toBe(true);
    rig.qstash.rotateKeys();
    await rig.queue.publish([message('{}')]);
    await rig.settled();
    expect(await verify(rig.signature(rig.received[0] as (typeof rig.received)[0]) ?? '')).toBe(true);
    rig.qstash.rotateKeys();
    expect(await verify(sign())).toBe(false);
  });

  it('refuses a signature for another address', async () => {
    expect(await verify(sign({ url: `${rig.endpoint}/` }))).toBe(false);
    expect(await verify(sign({ url: 'https://example.com/api/tasks' }))).toBe(false);
  });

  it('refuses a signature from another key', async () => {
    expect(await verify(sign({ key: 'sig_other' }))).toBe(false);
    expect(await verify(sign({ key: '' }))).toBe(false);
  });

  it('refuses a signature that is old or from the future, and forgives clocks that differ a little', async () => {
    expect(await verify(sign({ at: Date.now() - 310_000 }))).toBe(false);
    expect(await verify(sign({ at: Date.now() + 60_000 }))).toBe(false);
    expect(await verify(sign({ at: Date.now() + 2_000 }))).toBe(true);
  });

  it('refuses a token that claims to need no signature', async () => {
    const [, claims] = sign().split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    expect(await verify(`${none}.${claims ?? ''}.`)).toBe(false);
  });
});
