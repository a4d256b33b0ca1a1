import { Receiver as SignatureReceiver } from '@upstash/qstash';
import { describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { queueForEachTest } from './fixtures/queue-for-each.js';

const queue = queueForEachTest();
const { bodies, publish, restart } = queue;

describe('a delivery of the stand-in', () => {
  it('carries the forwarded headers, its id and a signature over its address and body', async () => {
    const { messageId } = await publish('{"é":1}', { headers: { 'x-extra': 'yes', 'content-type': 'text/x' } });
    await queue.qstash.idle();
    const [got] = queue.receiver.received;
    expect(got).toMatchObject({ path: '/task?a=1&b=%2F', method: 'POST' });
    expect(got?.headers).toMatchObject({
      'x-extra': 'yes',
      'content-type': 'text/x',
      'upstash-message-id': messageId,
      'upstash-retried': '0',
    });
    const { currentSigningKey, nextSigningKey } = queue.qstash;
    const signatures = new SignatureReceiver({ currentSigningKey, nextSigningKey, devMode: false });
    const signature = String(got?.headers['upstash-signature']);
    const url = `${queue.receiver.url}/task?a=1&b=%2F`;
    expect(await signatures.verify({ signature, url, body: '{"é":1}' })).toBe(true);
  });

  it('uses the requested method', async () => {
    await publish('x', { method: 'PUT' });
    await queue.qstash.idle();
    expect(queue.receiver.received.map(({ method }) => method)).toEqual(['PUT']);
  });

  it('is broken off at its timeout and made again', async () => {
    queue.receiver.answer(({ headers }) =>
      headers['upstash-retried'] === '0' ? new Promise<never>(() => undefined) : { status: 200 },
    );
    await restart({ deliveryTimeoutMs: 1_000 });
    await publish('slow');
    await queue.qstash.idle();
    expect(queue.qstash.deliveries.map(({ status, retried }) => [status, retried])).toEqual([
      [0, 0],
      [200, 1],
    ]);
  });

  it('is made again when nobody listens, and goes to the DLQ in the end', async () => {
    await queue.receiver.close();
    await publish('nobody', { retries: 2 });
    await queue.qstash.idle();
    expect(queue.qstash.deliveries).toHaveLength(3);
    expect(queue.qstash.dlq).toMatchObject([{ body: 'nobody', responseStatus: 0, retried: 2 }]);
  });
});

describe('retries of the stand-in', () => {
  it('go to the DLQ when they are used up, with the last answer', async () => {
    queue.receiver.answer(({ headers }) => ({ status: 500, body: `try ${String(headers['upstash-retried'])}` }));
    const { messageId } = await publish('x', { retries: 2 });
    await queue.qstash.idle();
    expect(bodies()).toHaveLength(3);
    const { messages } = await queue.client.dlq.listMessages();
    expect(messages).toMatchObject([{ messageId, responseStatus: 500, responseBody: 'try 2' }]);
    await queue.client.dlq.delete(messages[0]?.dlqId ?? '');
    expect((await queue.client.dlq.listMessages()).messages).toEqual([]);
  });

  it('end at once on 489 with its header, and only with it', async () => {
    const headers = { 'Upstash-NonRetryable-Error': 'true' };
    queue.receiver.answer(({ body }) => ({ status: 489, headers: body.toString() === 'final' ? headers : {} }));
    await publish('final', { retries: 1 });
    await publish('not final', { retries: 1 });
    await queue.qstash.idle();
    expect(bodies().sort()).toEqual(['final', 'not final', 'not final']);
    expect(queue.qstash.dlq).toHaveLength(2);
  });

  it('follow a retry delay expression', async () => {
    await restart({ speed: 100 });
    queue.receiver.answer(({ headers }) => ({ status: headers['upstash-retried'] === '0' ? 500 : 200 }));
    await publish('late', { retryDelay: 'pow(2, retried) * 30000' });
    await publish('usual');
    await publish('soon', { retryDelay: '1000' });
    await queue.qstash.idle();
    expect(bodies().slice(3)).toEqual(['soon', 'usual', 'late']);
  });

  it('call the failure callback with a separate message', async () => {
    queue.receiver.answer(({ path }) => ({ status: path === '/failed' ? 200 : 500, body: 'broken' }));
    await publish('payload', { retries: 1, failureCallback: `${queue.receiver.url}/failed` });
    await queue.qstash.idle();
    const call = queue.receiver.received.find(({ path }) => path === '/failed');
    const told = JSON.parse(String(call?.body)) as Record<string, string>;
    expect(told).toMatchObject({ status: 500, retried: 1, dlqId: queue.qstash.dlq[0]?.dlqId });
    expect(Buffer.from(told.sourceBody ?? '', 'base64').toString()).toBe('payload');
    expect(Buffer.from(told.body ?? '', 'base64').toString()).toBe('broken');
  });

  it('call the callback after a success', async () => {
    queue.receiver.answer(({ path }) => ({ status: 200, body: path === '/done' ? '' : 'result' }));
    await publish('x', { callback: `${queue.receiver.url}/done` });
    await queue.qstash.idle();
    const told = JSON.parse(bodies()[1] ?? '') as Record<string, string>;
    expect(Buffer.from(told.body ?? '', 'base64').toString()).toBe('result');
  });

  it('stop when a message is cancelled during its delivery', async () => {
    queue.receiver.answer(async ({ headers }) => {
      await queue.client.messages.cancel(String(headers['upstash-message-id']));
      return { status: 500 };
    });
    await publish('x');
    await queue.qstash.idle();
    await pause(30);
    expect(bodies()).toEqual(['x']);
    expect(queue.qstash.dlq).toEqual([]);
  });
});
