import { Client, QstashError, Receiver as SignatureReceiver } from '@upstash/qstash';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { startQstash } from '../../dev/qstash/index.js';

interface Service {
  readonly url: string;
  readonly token: string;
  /** An address that messages may be published to; nothing has to listen there. */
  readonly destination: string;
  stop(): Promise<void>;
}

async function standIn(): Promise<Service> {
  const qstash = await startQstash();
  const { url, token } = qstash;
  return { url, token, destination: 'http://127.0.0.1:9/none', stop: () => qstash.stop() };
}

/** What the stand-in and the real service must both do, seen through the vendor's SDK. Messages are cancelled again. */
function conformance(name: string, open: () => Promise<Service>): void {
  describe(`${name}, through @upstash/qstash`, () => {
    let service: Service;
    let client: Client;
    const published: string[] = [];
    beforeAll(async () => {
      jest.spyOn(console, 'error').mockImplementation(() => undefined);
      service = await open();
      client = new Client({ baseUrl: service.url, token: service.token, devMode: false, retry: false });
    });
    afterAll(async () => {
      await client.messages.cancel(published).catch(() => undefined);
      await service.stop();
      jest.restoreAllMocks();
    });

    /** An hour's delay keeps a message from being delivered before it is cancelled. */
    const publish = async (more: object = {}): Promise<{ messageId: string; deduplicated?: boolean }> => {
      const result = await client.publish({ url: service.destination, body: '{"n": 1}', delay: 3600, ...more });
      published.push(result.messageId);
      return result;
    };

    it('gives each message an id', async () => {
      const [one, two] = [await publish(), await publish()];
      expect(one.messageId).toMatch(/^msg_/);
      expect(two.messageId).not.toBe(one.messageId);
    });

    it('answers a second message of one deduplication id with the first one’s id', async () => {
      const deduplicationId = randomUUID();
      const one = await publish({ deduplicationId });
      const two = await publish({ deduplicationId });
      expect(one.deduplicated ?? false).toBe(false);
      expect(two).toMatchObject({ messageId: one.messageId, deduplicated: true });
    });

    it('deduplicates by content on request', async () => {
      const same = { body: randomUUID(), contentBasedDeduplication: true };
      const [one, two] = [await publish(same), await publish(same)];
      const other = await publish({ ...same, body: randomUUID() });
      expect(two.messageId).toBe(one.messageId);
      expect(other.messageId).not.toBe(one.messageId);
    });

    it('takes a batch and answers for each item', async () => {
      const results = (await client.batch([
        { url: service.destination, body: '1', delay: 3600 },
        { url: service.destination, body: '2', delay: 3600 },
      ])) as { messageId: string }[];
      published.push(...results.map(({ messageId }) => messageId));
      expect(new Set(results.map(({ messageId }) => messageId)).size).toBe(2);
    });

    it('shows a message that waits', async () => {
      const { messageId } = await publish({ retries: 2, flowControl: { key: 'conformance', parallelism: 3 } });
      const shown = await client.messages.get(messageId);
      expect(shown).toMatchObject({ messageId, url: service.destination, method: 'POST', maxRetries: 2 });
      expect(shown).toMatchObject({ body: '{"n": 1}', flowControlKey: 'conformance', parallelism: 3 });
    });

    it('cancels a message, which then is gone', async () => {
      const { messageId } = await publish();
      await client.messages.cancel(messageId);
      await expect(client.messages.get(messageId)).rejects.toMatchObject({ status: 404 });
    });

    it('lists the dead letters', async () => {
      expect(Array.isArray((await client.dlq.listMessages()).messages)).toBe(true);
    });

    it('returns its signing keys', async () => {
      const headers = { authorization: `Bearer ${service.token}` };
      const response = await fetch(`${service.url}/v2/keys`, { headers });
      expect(await response.json()).toMatchObject({
        current: expect.stringMatching(/^sig_/),
        next: expect.stringMatching(/^sig_/),
      });
    });

    it('refuses a wrong token with 401', async () => {
      const stranger = new Client({ baseUrl: service.url, token: 'wrong', devMode: false, retry: false });
      const attempt = stranger.publish({ url: service.destination, body: '1' });
      await expect(attempt).rejects.toBeInstanceOf(QstashError);
      await expect(stranger.dlq.listMessages()).rejects.toMatchObject({ status: 401 });
    });

    it.each([
      ['a destination that is none', { url: 'http://' }],
      ['a retry delay that is no expression', { retryDelay: 'sleep(1)' }],
    ])('refuses %s', async (_, more) => {
      await expect(publish(more)).rejects.toBeInstanceOf(QstashError);
    });
  });
}

conformance('the stand-in', standIn);

const { QSTASH_TEST_TOKEN: token, QSTASH_TEST_URL: url = 'https://qstash.upstash.io' } = process.env;
if (token !== undefined) {
  const service = { url, token, destination: 'https://example.com/', stop: () => Promise.resolve() };
  conformance('QStash', () => Promise.resolve(service));
}

describe('the stand-in, through the vendor’s Receiver', () => {
  it('makes signatures that other keys do not verify', async () => {
    const qstash = await startQstash();
    const { signDelivery } = await import('../../dev/qstash/courier.js');
    const signature = signDelivery(qstash.currentSigningKey, 'http://a/', Buffer.from('x'), Date.now());
    const { currentSigningKey, nextSigningKey } = qstash;
    const right = new SignatureReceiver({ currentSigningKey, nextSigningKey, devMode: false });
    const wrong = new SignatureReceiver({ currentSigningKey: 'a', nextSigningKey: 'b', devMode: false });
    expect(await right.verify({ signature, body: 'x', url: 'http://a/' })).toBe(true);
    await expect(wrong.verify({ signature, body: 'x', url: 'http://a/' })).rejects.toThrow();
    await qstash.stop();
  });
});
