import { Client, Receiver as SignatureReceiver } from '@upstash/qstash';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { startQstash } from '../../lib/local/qstash/index.js';
import type { Qstash, QstashOptions } from '../../lib/local/qstash/index.js';
import { openReceiver } from './fixtures/receiver.js';
import type { Receiver } from './fixtures/receiver.js';

let receiver: Receiver;
let qstash: Qstash;
let client: Client;

/** Starts the stand-in anew with these options. */
async function restart(options: QstashOptions = {}): Promise<void> {
  await qstash.stop();
  await start(options);
}

async function start(options: QstashOptions): Promise<void> {
  qstash = await startQstash({ speed: 100_000, dedupWindowMs: 60_000, ...options });
  client = new Client({ baseUrl: qstash.url, token: qstash.token, devMode: false, retry: false });
}

beforeEach(async () => {
  jest.spyOn(console, 'error').mockImplementation(() => undefined);
  receiver = await openReceiver();
  await start({});
});
afterEach(async () => {
  await qstash.stop();
  await receiver.close();
  jest.restoreAllMocks();
});

const bodies = (): string[] => receiver.received.map(({ body }) => body.toString());
const publish = (body: string, more: object = {}) =>
  client.publish({ url: `${receiver.url}/task?a=1&b=%2F`, body, ...more });

describe('a delivery of the stand-in', () => {
  it('carries the forwarded headers, its id and a signature over its address and body', async () => {
    const { messageId } = await publish('{"é":1}', { headers: { 'x-extra': 'yes', 'content-type': 'text/x' } });
    await qstash.idle();
    const [got] = receiver.received;
    expect(got).toMatchObject({ path: '/task?a=1&b=%2F', method: 'POST' });
    expect(got?.headers).toMatchObject({
      'x-extra': 'yes',
      'content-type': 'text/x',
      'upstash-message-id': messageId,
      'upstash-retried': '0',
    });
    const { currentSigningKey, nextSigningKey } = qstash;
    const signatures = new SignatureReceiver({ currentSigningKey, nextSigningKey, devMode: false });
    const signature = String(got?.headers['upstash-signature']);
    const url = `${receiver.url}/task?a=1&b=%2F`;
    expect(await signatures.verify({ signature, url, body: '{"é":1}' })).toBe(true);
  });

  it('uses the method asked for', async () => {
    await publish('x', { method: 'PUT' });
    await qstash.idle();
    expect(receiver.received.map(({ method }) => method)).toEqual(['PUT']);
  });

  it('is broken off at its timeout and made again', async () => {
    receiver.answer(({ headers }) =>
      headers['upstash-retried'] === '0' ? pause(5_000, { status: 200 }) : { status: 200 },
    );
    await restart({ deliveryTimeoutMs: 50 });
    await publish('slow');
    await qstash.idle();
    expect(qstash.deliveries.map(({ status, retried }) => [status, retried])).toEqual([
      [0, 0],
      [200, 1],
    ]);
  });

  it('is made again when nobody listens, and goes to the DLQ in the end', async () => {
    await receiver.close();
    await publish('nobody', { retries: 2 });
    await qstash.idle();
    expect(qstash.deliveries).toHaveLength(3);
    expect(qstash.dlq).toMatchObject([{ body: 'nobody', responseStatus: 0, retried: 2 }]);
  });
});

describe('retries of the stand-in', () => {
  it('go to the DLQ when they are used up, with the last answer', async () => {
    receiver.answer(({ headers }) => ({ status: 500, body: `try ${String(headers['upstash-retried'])}` }));
    const { messageId } = await publish('x', { retries: 2 });
    await qstash.idle();
    expect(bodies()).toHaveLength(3);
    const { messages } = await client.dlq.listMessages();
    expect(messages).toMatchObject([{ messageId, responseStatus: 500, responseBody: 'try 2' }]);
    await client.dlq.delete(messages[0]?.dlqId ?? '');
    expect((await client.dlq.listMessages()).messages).toEqual([]);
  });

  it('end at once on 489 with its header, and only with it', async () => {
    const headers = { 'Upstash-NonRetryable-Error': 'true' };
    receiver.answer(({ body }) => ({ status: 489, headers: body.toString() === 'final' ? headers : {} }));
    await publish('final', { retries: 1 });
    await publish('not final', { retries: 1 });
    await qstash.idle();
    expect(bodies().sort()).toEqual(['final', 'not final', 'not final']);
    expect(qstash.dlq).toHaveLength(2);
  });

  it('follow a retry delay expression', async () => {
    await restart({ speed: 100 });
    receiver.answer(({ headers }) => ({ status: headers['upstash-retried'] === '0' ? 500 : 200 }));
    await publish('late', { retryDelay: 'pow(2, retried) * 30000' });
    await publish('usual');
    await publish('soon', { retryDelay: '1000' });
    await qstash.idle();
    expect(bodies().slice(3)).toEqual(['soon', 'usual', 'late']);
  });

  it('tell the failure callback with a message of its own', async () => {
    receiver.answer(({ path }) => ({ status: path === '/failed' ? 200 : 500, body: 'broken' }));
    await publish('payload', { retries: 1, failureCallback: `${receiver.url}/failed` });
    await qstash.idle();
    const call = receiver.received.find(({ path }) => path === '/failed');
    const told = JSON.parse(String(call?.body)) as Record<string, string>;
    expect(told).toMatchObject({ status: 500, retried: 1, dlqId: qstash.dlq[0]?.dlqId });
    expect(Buffer.from(told.sourceBody ?? '', 'base64').toString()).toBe('payload');
    expect(Buffer.from(told.body ?? '', 'base64').toString()).toBe('broken');
  });

  it('tell the callback of a success', async () => {
    receiver.answer(({ path }) => ({ status: 200, body: path === '/done' ? '' : 'result' }));
    await publish('x', { callback: `${receiver.url}/done` });
    await qstash.idle();
    const told = JSON.parse(bodies()[1] ?? '') as Record<string, string>;
    expect(Buffer.from(told.body ?? '', 'base64').toString()).toBe('result');
  });

  it('stop when a message is cancelled while it is under way', async () => {
    receiver.answer(async ({ headers }) => {
      await client.messages.cancel(String(headers['upstash-message-id']));
      return { status: 500 };
    });
    await publish('x');
    await qstash.idle();
    await pause(30);
    expect(bodies()).toEqual(['x']);
    expect(qstash.dlq).toEqual([]);
  });
});

describe('flow control of the stand-in', () => {
  it('starts no more than the rate in a period', async () => {
    await restart({ speed: 10 });
    const flowControl = { key: 'r', rate: 2, period: '1s' as const };
    for (const body of ['1', '2', '3', '4', '5']) await publish(body, { flowControl });
    await qstash.idle();
    const starts = qstash.deliveries.map(({ startedAt }) => startedAt).sort((a, b) => a - b);
    // 1 s at ten times the speed; a timer may fire a millisecond early by the wall clock.
    for (const [index, start] of starts.slice(2).entries()) expect(start - (starts[index] ?? 0)).toBeGreaterThan(97);
    expect(starts).toHaveLength(5);
  });

  it('keeps keys apart, and the limit over all of them', async () => {
    await restart({ parallelism: 3 });
    let [running, most] = [0, 0];
    receiver.answer(async () => {
      most = Math.max(most, ++running);
      await pause(20);
      running--;
      return { status: 200 };
    });
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    await Promise.all(keys.map((key) => publish(key, { flowControl: { key, parallelism: 1 } })));
    await qstash.idle();
    expect(bodies().sort()).toEqual(keys);
    expect(most).toBe(3);
  });
});

describe('deduplication of the stand-in', () => {
  it('forgets an id after the window', async () => {
    await restart({ dedupWindowMs: 20 });
    await publish('1', { deduplicationId: 'same' });
    await pause(40);
    await publish('2', { deduplicationId: 'same' });
    await qstash.idle();
    expect(bodies()).toEqual(['1', '2']);
  });
});

describe('faults of the stand-in', () => {
  it.each(['together', 'after'] as const)('deliver everything twice, %s', async (twice) => {
    qstash.setFaults({ twice });
    await publish('a');
    await publish('b');
    await qstash.idle();
    expect(bodies().sort()).toEqual(['a', 'a', 'b', 'b']);
    expect(qstash.deliveries.filter(({ double }) => double)).toHaveLength(2);
  });

  it('turn the order round', async () => {
    qstash.setFaults({ order: 'reversed', holdMs: 400 });
    receiver.answer(() => ({ status: 200 }));
    await client.batch(
      ['1', '2', '3', '4'].map((body) => ({ url: receiver.url, body, flowControl: { key: 'k', parallelism: 1 } })),
    );
    await qstash.idle();
    expect(bodies()).toEqual(['4', '3', '2', '1']);
  });

  it('shuffle the order by the given source of chance', async () => {
    const drawn = [0.3, 0.9, 0.1];
    await restart({ random: () => drawn.shift() ?? 0 });
    qstash.setFaults({ order: 'random', holdMs: 400 });
    await client.batch(
      ['1', '2', '3'].map((body) => ({ url: receiver.url, body, flowControl: { key: 'k', parallelism: 1 } })),
    );
    await qstash.idle();
    expect(bodies()).toEqual(['3', '1', '2']);
  });

  it('lose an answer, so that a message comes again', async () => {
    qstash.setFaults({ loseReply: ({ retried }) => retried === 0 });
    await publish('x');
    await qstash.idle();
    expect(qstash.deliveries.map(({ status, lost }) => [status, lost])).toEqual([
      [200, true],
      [200, false],
    ]);
    expect(qstash.dlq).toEqual([]);
  });

  it('delay what is due', async () => {
    qstash.setFaults({ delayMs: 300 });
    await publish('late');
    qstash.setFaults({ delayMs: 0 });
    await publish('now');
    expect(qstash.pending()).toBeGreaterThan(0);
    await qstash.idle();
    expect(bodies()).toEqual(['now', 'late']);
  });

  it('reject publishing a number of times', async () => {
    qstash.setFaults({ rejectPublish: { status: 500, times: 2 } });
    await expect(publish('x')).rejects.toMatchObject({ status: 500 });
    await expect(client.batch([{ url: receiver.url, body: 'x' }])).rejects.toMatchObject({ status: 500 });
    await publish('x');
    await qstash.idle();
    expect(bodies()).toEqual(['x']);
  });
});

describe('the stand-in as a process', () => {
  it('tells where it is, works, and ends on SIGTERM', async () => {
    const child = spawn(process.execPath, ['dist/lib/local/qstash/main.js', '--port', '0', '--token', 'tok']);
    const ended = once(child, 'exit');
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { url, token } = JSON.parse(line) as { url: string; token: string };
    expect(token).toBe('tok');
    const remote = new Client({ baseUrl: url, token, devMode: false, retry: false });
    expect((await remote.publish({ url: `${receiver.url}/`, body: 'x' })).messageId).toMatch(/^msg_/);
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});
