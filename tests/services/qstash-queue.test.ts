import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { signDelivery } from '../../dev/qstash/courier.js';
import { message, queueContract } from '../contracts/queue.js';
import { openRig, type Rig } from '../dev/fixtures/queue.js';
import getPort from 'get-port';
import { cliJson, type Variables } from '../cli/fixture.js';
import { folderStore } from '../support/folder-store.js';

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

it('an unreachable queue is reported only in our words, with the workaround', async () => {
  const folder = await folderStore();
  const dead = `http://127.0.0.1:${await getPort()}`;
  const env: Variables = {
    BACKUP_STORE: `file://${folder.folder}`,
    UPSTASH_REDIS_REST_URL: dead,
    UPSTASH_REDIS_REST_TOKEN: 'never-used',
    QSTASH_URL: dead,
    QSTASH_TOKEN: 'a-token-of-the-queue',
    QSTASH_CURRENT_SIGNING_KEY: 'sig_current_key',
    QSTASH_NEXT_SIGNING_KEY: 'sig_next_key',
    PUBLIC_URL: 'https://backup.example',
  };
  const { code, stderr, json } = await cliJson(['backup'], env);
  expect(code).not.toBe(0);
  expect(stderr).not.toMatch(/Upstash QStash\]/);
  expect(json.error?.hint).toContain('--local');
  await folder.remove();
});
