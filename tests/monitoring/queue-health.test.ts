import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { inProcessQueue } from '../../lib/app/in-process.js';
import { qstashQueue, type QstashQueueOptions } from '../../lib/services/qstash.js';
import { serveHttp } from '../../dev/stand-in-server.js';
import { startQstash, type Qstash } from '../../dev/qstash/index.js';
import type { Queue } from '../../lib/ports/queue.js';

let qstash: Qstash;
beforeEach(async () => (qstash = await startQstash()));
afterEach(() => qstash.stop());

function queue(changed: Partial<QstashQueueOptions> = {}): Queue {
  const { url, token, currentSigningKey, nextSigningKey } = qstash;
  const retry = { attempts: 2, baseMs: 1, capMs: 5 };
  const base = { url, token, currentSigningKey, nextSigningKey, endpoint: 'https://x.example/api/tasks', retry };
  return qstashQueue({ ...base, clock: systemClock(), ...changed });
}

describe('health of a queue', () => {
  it('distinguishes current keys, keys one rotation behind, and keys of another service', async () => {
    const ours = queue();
    expect(await ours.health()).toEqual({ signingKeys: 'same' });
    qstash.rotateKeys();
    expect(await ours.health()).toEqual({ signingKeys: 'stale' });
    qstash.rotateKeys();
    expect(await ours.health()).toEqual({ signingKeys: 'different' });
    expect(await inProcessQueue().health()).toEqual({ signingKeys: 'none' });
  });

  it('throws what publishing would', async () => {
    await expect(queue({ token: 'wrong' }).health()).rejects.toMatchObject({ code: 'queue-denied' });
    const { url } = qstash;
    await qstash.stop();
    await expect(queue({ url }).health()).rejects.toMatchObject({ code: 'queue-unavailable', transient: true });
  });

  it.each([
    [200, '{"current":"only"}', false],
    [200, 'sig_secret, not JSON', false],
    [503, 'down', true],
  ])('treats status %d with %j as unavailable', async (status, body, transient) => {
    const server = await serveHttp((_, response) => response.writeHead(status).end(body));
    const error: unknown = await queue({ url: server.url })
      .health()
      .catch((thrown: unknown) => thrown);
    await server.stop();
    expect(error).toMatchObject({ code: 'queue-unavailable', transient });
    expect(String(error)).not.toContain('sig_secret');
  });
});
