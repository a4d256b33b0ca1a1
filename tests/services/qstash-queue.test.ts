import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { signDelivery } from '../../dev/qstash/signing.js';
import { message, queueContract } from '../contracts/queue.js';
import { openRig } from '../dev/fixtures/queue-rig.js';
import type { Rig } from '../dev/fixtures/queue-rig.js';

// A minute of the vendor's time is 300 ms here: long enough to tell waits apart, short enough to wait for.
queueContract('qstashQueue', () => openRig({ speed: 200, parallelism: 50 }));

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
