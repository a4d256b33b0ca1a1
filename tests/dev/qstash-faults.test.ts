import { Client } from '@upstash/qstash';
import { describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { queueForEachTest } from './fixtures/queue-for-each.js';

const queue = queueForEachTest();
const { bodies, publish, restart } = queue;

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
