import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { setTimeout as pause } from 'node:timers/promises';
import type { Queue, QueueMessage } from '../../lib/ports/queue.js';
import type { Answer, Received } from '../dev/fixtures/receiver.js';

/** A queue with a task endpoint behind it. Its waits may be shortened, all by the same factor. */
export interface QueueRig {
  readonly queue: Queue;
  /** Deliveries at the task endpoint, in order of arrival. */
  readonly received: readonly Received[];
  answer(decide: (received: Received) => Answer | Promise<Answer>): void;
  /** The signature of a delivery. */
  signature(received: Received): string | null;
  /** The response by which an endpoint refuses a message permanently. */
  readonly final: Answer;
  /** Resolves when every message has been delivered or given up. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

let counter = 0;

/** A message with a separate id. */
export function message(body: string, more: Partial<QueueMessage> = {}): QueueMessage {
  return { body, deduplicationId: `m-${process.pid}-${++counter}`, delaySeconds: 0, flow: null, ...more };
}

/** The contract of every Queue, independent of the vendor. */
export function queueContract(name: string, open: () => Promise<QueueRig>): void {
  describe(`${name} as a Queue`, () => {
    let rig: QueueRig;
    beforeEach(async () => (rig = await open()));
    afterEach(() => rig.close());

    const bodies = (): string[] => rig.received.map(({ body }) => body.toString('utf8'));
    /** Answers each body's first delivery with `answer`, and later ones with 200. */
    const failFirst = (answer: (body: string) => Answer): void => {
      const seen = new Set<string>();
      rig.answer(({ body }) => {
        const text = body.toString('utf8');
        if (seen.has(text)) return { status: 200 };
        seen.add(text);
        return answer(text);
      });
    };

    it('publishes nothing for an empty list', async () => {
      await rig.queue.publish([]);
      await rig.settled();
      expect(rig.received).toEqual([]);
    });

    it('POSTs a body as application/json, byte for byte', async () => {
      const texts = fc.sample(fc.json({ stringUnit: 'binary' }), 40);
      const awkward = ['{"a": 1 ,"b":"\\u00e9é😀\\n"}', '  [1.0, 1e2]\n', '"\u2028\\ud83d"', '{"__proto__":null}'];
      const all = [...new Set([...texts, ...awkward])];
      await rig.queue.publish(all.map((text) => message(text)));
      await rig.settled();
      expect(bodies().sort()).toEqual([...all].sort());
      expect(rig.received.every(({ method }) => method === 'POST')).toBe(true);
      expect(rig.received.every(({ headers }) => headers['content-type'] === 'application/json')).toBe(true);
    });

    it('delivers more messages than the vendor accepts in one request', async () => {
      const all = Array.from({ length: 250 }, (_, n) => `{"n":${n}}`);
      await rig.queue.publish(all.map((text) => message(text)));
      await rig.settled();
      expect(new Set(bodies())).toEqual(new Set(all));
    });

    it('delivers bodies that are too big for one request together', async () => {
      const all = Array.from({ length: 24 }, (_, n) => JSON.stringify({ n, pad: '"é'.repeat(15_000) }));
      await rig.queue.publish(all.map((text) => message(text)));
      await rig.settled();
      expect(new Set(bodies())).toEqual(new Set(all));
    });

    it.each([500, 503, 404, 302])('delivers again after a response of %i', async (status) => {
      failFirst(() => ({ status }));
      await rig.queue.publish([message('"again"')]);
      await rig.settled();
      expect(bodies()).toEqual(['"again"', '"again"']);
    });

    it('gives up after the first delivery and the retries', async () => {
      rig.answer(() => ({ status: 500, headers: { 'retry-after': '1' } }));
      await rig.queue.publish([message('"never"')]);
      await rig.settled();
      expect(bodies()).toEqual(Array(4).fill('"never"'));
    });

    it('waits as long as Retry-After says', async () => {
      // The backoff before a first retry is 12 s, so by backoff alone the message with ten minutes would come first.
      failFirst((body) => ({ status: 503, headers: { 'retry-after': body === '"late"' ? '600' : '1' } }));
      await rig.queue.publish(['"late"', '"soon"'].map((text) => message(text)));
      await rig.settled();
      expect(bodies().slice(2)).toEqual(['"soon"', '"late"']);
    });

    it('does not deliver a message again that the endpoint refused permanently', async () => {
      rig.answer(() => rig.final);
      await rig.queue.publish([message('"no"')]);
      await rig.settled();
      expect(bodies()).toEqual(['"no"']);
    });

    it('delivers messages with the same id once', async () => {
      const same = message('"once"');
      await rig.queue.publish([same, same]);
      await rig.queue.publish([same, message('"other"')]);
      await rig.settled();
      expect(bodies().sort()).toEqual(['"once"', '"other"']);
    });

    it('holds a message back for its delay', async () => {
      await rig.queue.publish([message('"later"', { delaySeconds: 60 }), message('"now"')]);
      await rig.settled();
      expect(bodies()).toEqual(['"now"', '"later"']);
    });

    it('runs no more deliveries of one key at a time than its parallelism', async () => {
      let [running, most] = [0, 0];
      rig.answer(async () => {
        most = Math.max(most, ++running);
        while (most < 2) await pause(5);
        await pause(15);
        running--;
        return { status: 200 };
      });
      const flow = { key: 'part.one-2', parallelism: 2, rate: null };
      const all = Array.from({ length: 9 }, (_, n) => message(String(n), { flow }));
      await rig.queue.publish(all);
      await rig.settled();
      expect(rig.received).toHaveLength(9);
      expect(most).toBe(2);
    });

    it('accepts its signature', async () => {
      const text = '{"text":"é😀"}';
      await rig.queue.publish([message(text)]);
      await rig.settled();
      const [delivery] = rig.received;
      const signature = rig.signature(delivery as Received);
      expect(await rig.queue.verify({ body: text, signature })).toBe(true);
      expect(await rig.queue.verify({ body: `${text} `, signature })).toBe(false);
      expect(await rig.queue.verify({ body: '', signature })).toBe(false);
    });

    it('rejects a signature that is missing, garbled or of another message', async () => {
      await rig.queue.publish([message('1'), message('2')]);
      await rig.settled();
      const delivery = rig.received.find(({ body }) => body.toString() === '1');
      const signature = rig.signature(delivery as Received) ?? '';
      const wrong = [null, '', 'x', 'a.b.c', `${signature}x`, signature.slice(0, -6), signature.replaceAll('.', ' ')];
      for (const each of wrong) expect(await rig.queue.verify({ body: '1', signature: each })).toBe(false);
      expect(await rig.queue.verify({ body: '2', signature })).toBe(false);
    });
  });
}
