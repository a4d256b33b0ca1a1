import { Client, Receiver as SignatureReceiver } from '@upstash/qstash';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
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
      headers['upstash-retried'] === '0' ? new Promise<never>(() => undefined) : { status: 200 },
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
