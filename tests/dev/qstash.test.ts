import { setTimeout as pause } from 'node:timers/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Receiver as SignatureReceiver, Client } from '@upstash/qstash';
import { describe, expect, it } from '@jest/globals';
import { queueForEachTest } from './fixtures/queue.js';

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

describe('flow control of the stand-in', () => {
  it('starts no more than the rate in a period', async () => {
    // A minute is a second and a half: what is published must be there within half of it.
    await restart({ speed: 40 });
    const flowControl = { key: 'r', rate: 2, period: '60s' as const };
    for (const body of ['1', '2', '3', '4', '5']) await publish(body, { flowControl });
    await publish('after half a minute', { delay: 30 });
    await publish('after one and a half', { delay: 90 });
    await queue.qstash.idle();
    expect(bodies().slice(0, 2).sort()).toEqual(['1', '2']);
    expect(bodies()[2]).toBe('after half a minute');
    expect(bodies().slice(3, 5).sort()).toEqual(['3', '4']);
    expect(bodies().slice(5)).toEqual(['after one and a half', '5']);
  });

  it('keeps keys apart, and the limit over all of them', async () => {
    await restart({ parallelism: 3 });
    let [running, most] = [0, 0];
    queue.receiver.answer(async () => {
      most = Math.max(most, ++running);
      while (most < 3) await pause(5);
      await pause(20);
      running--;
      return { status: 200 };
    });
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    await Promise.all(keys.map((key) => publish(key, { flowControl: { key, parallelism: 1 } })));
    await queue.qstash.idle();
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
    await queue.qstash.idle();
    expect(bodies()).toEqual(['1', '2']);
  });
});

describe('faults of the stand-in', () => {
  it.each(['together', 'after'] as const)('deliver everything twice, %s', async (twice) => {
    queue.qstash.setFaults({ twice });
    await publish('a');
    await publish('b');
    await queue.qstash.idle();
    expect(bodies().sort()).toEqual(['a', 'a', 'b', 'b']);
    expect(queue.qstash.deliveries.filter(({ duplicate }) => duplicate)).toHaveLength(2);
  });

  it('reverse the order', async () => {
    queue.qstash.setFaults({ order: 'reversed', holdMs: 400 });
    queue.receiver.answer(() => ({ status: 200 }));
    await queue.client.batch(
      ['1', '2', '3', '4'].map((body) => ({
        url: queue.receiver.url,
        body,
        flowControl: { key: 'k', parallelism: 1 },
      })),
    );
    await queue.qstash.idle();
    expect(bodies()).toEqual(['4', '3', '2', '1']);
  });

  it('shuffle the order with the given random source', async () => {
    const drawn = [0.3, 0.9, 0.1];
    await restart({ random: () => drawn.shift() ?? 0 });
    queue.qstash.setFaults({ order: 'random', holdMs: 400 });
    await queue.client.batch(
      ['1', '2', '3'].map((body) => ({ url: queue.receiver.url, body, flowControl: { key: 'k', parallelism: 1 } })),
    );
    await queue.qstash.idle();
    expect(bodies()).toEqual(['3', '1', '2']);
  });

  it('lose an answer, so that a message is delivered again', async () => {
    queue.qstash.setFaults({ loseReply: ({ retried }) => retried === 0 });
    await publish('x');
    await queue.qstash.idle();
    expect(queue.qstash.deliveries.map(({ status, lost }) => [status, lost])).toEqual([
      [200, true],
      [200, false],
    ]);
    expect(queue.qstash.dlq).toEqual([]);
  });

  it('delay what is due', async () => {
    queue.qstash.setFaults({ delayMs: 300 });
    await publish('late');
    queue.qstash.setFaults({ delayMs: 0 });
    await publish('now');
    expect(queue.qstash.pending()).toBeGreaterThan(0);
    await queue.qstash.idle();
    expect(bodies()).toEqual(['now', 'late']);
  });

  it('reject publishing a number of times', async () => {
    queue.qstash.setFaults({ rejectPublish: { status: 500, times: 2 } });
    await expect(publish('x')).rejects.toMatchObject({ status: 500 });
    await expect(queue.client.batch([{ url: queue.receiver.url, body: 'x' }])).rejects.toMatchObject({ status: 500 });
    await publish('x');
    await queue.qstash.idle();
    expect(bodies()).toEqual(['x']);
  });
});

describe('the stand-in as a process', () => {
  it('prints its address, works, and ends on SIGTERM', async () => {
    const child = spawn(process.execPath, ['dist/dev/qstash/main.js', '--port', '0', '--token', 'tok']);
    const ended = once(child, 'exit');
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { url, token } = JSON.parse(line) as { url: string; token: string };
    expect(token).toBe('tok');
    const remote = new Client({ baseUrl: url, token, devMode: false, retry: false });
    expect((await remote.publish({ url: `${queue.receiver.url}/`, body: 'x' })).messageId).toMatch(/^msg_/);
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});
