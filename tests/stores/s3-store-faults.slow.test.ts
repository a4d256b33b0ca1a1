import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { retryingStore } from '../../lib/stores/retrying.js';
import { s3Store, type S3StoreOptions } from '../../lib/stores/s3/store.js';
import { type FaultAction, type FaultProxy, type ProxiedRequest, startFaultProxy } from '../../dev/fault-proxy.js';
import { type Radosgw, startRadosgw } from '../../dev/radosgw/index.js';
import { collect } from '../contracts/object-store.js';

let ceph: Radosgw;
let opened = 0;
const proxies: FaultProxy[] = [];

beforeAll(async () => {
  ceph = await startRadosgw();
  await ceph.createBucket('backup');
});
afterAll(async () => {
  await ceph.stop();
});
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.stop();
});

const bytes = (text: string) => Buffer.from(text);
const open = (options: Partial<S3StoreOptions> = {}) =>
  s3Store({ ...ceph, credentials: ceph, bucket: 'backup', prefix: `faults-${opened++}`, ...options });

async function behind(rule: (request: ProxiedRequest) => FaultAction, options: Partial<S3StoreOptions> = {}) {
  const proxy = await startFaultProxy({ target: ceph.endpoint, rule });
  proxies.push(proxy);
  return { proxy, store: open({ endpoint: proxy.url, ...options }) };
}

const xml = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>secret text</Message></Error>`;
const answer = (status: number, code: string): FaultAction => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: xml(code),
});

describe('permanent refusals', () => {
  it.each<[string, Partial<S3StoreOptions>, RegExp]>([
    ['NoSuchBucket', { bucket: 'no-such-bucket' }, /BACKUP_STORE/],
    ['InvalidAccessKeyId', { credentials: { accessKeyId: 'unknown', secretAccessKey: 'x' } }, /S3_ACCESS_KEY_ID/],
  ])('%s', async (code, options, hint) => {
    const store = open(options);
    const refused = {
      code: 'store-denied',
      transient: false,
      message: expect.stringContaining(code) as unknown,
      hint: expect.stringMatching(hint) as unknown,
    };
    await expect(store.read('a')).rejects.toMatchObject(refused);
    await expect(store.create('a', bytes('x'))).rejects.toMatchObject(refused);
    await expect(store.swap('a', bytes('x'), '"etag"')).rejects.toMatchObject(refused);
    await expect(store.remove('a')).rejects.toMatchObject(refused);
    await expect(collect(store.list(''))).rejects.toMatchObject(refused);
    await expect(collect(store.folders(''))).rejects.toMatchObject(refused);
  });

  it('SignatureDoesNotMatch, without showing the secret', async () => {
    const wrong = { accessKeyId: ceph.accessKeyId, secretAccessKey: 'a-wrong-secret' };
    const error: unknown = await open({ credentials: wrong })
      .create('a', bytes('x'))
      .catch((it: unknown) => it);
    expect(error).toMatchObject({
      code: 'store-denied',
      hint: expect.stringContaining('S3_SECRET_ACCESS_KEY') as unknown,
    });
    expect(JSON.stringify([(error as Error).message, (error as { hint: string }).hint])).not.toContain(
      'a-wrong-secret',
    );
  });

  it.each([
    [403, 'AccessDenied', 'store-denied'],
    [403, 'SomethingNew', 'store-denied'],
    [301, 'PermanentRedirect', 'store-denied'],
    [400, 'AuthorizationHeaderMalformed', 'store-denied'],
    [400, 'ExpiredToken', 'store-denied'],
    [403, 'QuotaExceeded', 'store-full'],
    [507, 'SomethingNew', 'store-full'],
    [501, 'NotImplemented', 'store-unsafe'],
    [400, 'SomethingNew', 'store-unavailable'],
  ])('HTTP %i %s is %s', async (status, code, expected) => {
    const { store, proxy } = await behind(() => answer(status, code));
    const error: unknown = await store.create('a', bytes('x')).catch((it: unknown) => it);
    expect(error).toMatchObject({ code: expected, transient: false });
    expect((error as Error).message).not.toContain('secret text');
    expect(proxy.requests).toHaveLength(1);
  });
});

describe('transient failures', () => {
  const passing: [string, FaultAction][] = [
    ['503 SlowDown', answer(503, 'SlowDown')],
    ['500 InternalError', answer(500, 'InternalError')],
    ['502 with a page of HTML', { status: 502, body: '<html><p>Bad gateway</html>' }],
    ['409 ConditionalRequestConflict', answer(409, 'ConditionalRequestConflict')],
    ['400 RequestTimeout', answer(400, 'RequestTimeout')],
    ['a reset', 'reset'],
    ['a lost reply', 'lose-reply'],
  ];

  it.each(passing)('%s is transient', async (_, action) => {
    const { store } = await behind(() => action);
    const transient = { code: 'store-unavailable', transient: true };
    await expect(store.create('a', bytes('x'))).rejects.toMatchObject(transient);
    await expect(store.read('a')).rejects.toMatchObject(transient);
    await expect(collect(store.list(''))).rejects.toMatchObject(transient);
  });

  it.each(passing)('%s on every third request is overcome', async (_, action) => {
    const { store: flaky, proxy } = await behind(({ index }) => (index % 3 === 0 ? action : 'pass'));
    const store = retryingStore(flaky, { ...systemClock(), sleep: () => Promise.resolve() });
    const made = await store.create('a/1', bytes('one'));
    if (!made.created) throw new Error('not created');
    expect(await store.create('a/1', bytes('other'))).toEqual({ created: false });
    const etag = await store.swap('a/1', bytes('two'), made.etag);
    expect(await store.read('a/1')).toEqual({ body: bytes('two'), etag });
    expect((await collect(store.list(''))).map((object) => object.name)).toEqual(['a/1']);
    expect(await collect(store.folders(''))).toEqual(['a']);
    await store.remove('a/1');
    expect(await store.read('a/1')).toBeNull();
    expect(proxy.requests.length).toBeGreaterThan(10);
  });

  it('returns the time to wait that the store sends', async () => {
    const { store } = await behind(() => ({ status: 503, headers: { 'retry-after': '7' }, body: xml('SlowDown') }));
    await expect(store.read('a')).rejects.toMatchObject({ retryAfterMs: 7000, transient: true });
  });

  it('an answer that does not come, and a host that is not there', async () => {
    const timeouts = { connectMs: 500, requestMs: 300 };
    const { store } = await behind(() => ({ delayMs: 3000 }), { timeouts });
    await expect(store.read('a')).rejects.toMatchObject({ code: 'store-unavailable', transient: true });
    const nobody = open({ endpoint: 'http://127.0.0.1:1', timeouts });
    await expect(nobody.read('a')).rejects.toMatchObject({ code: 'store-unavailable', transient: true });
  });

  it('a clock that is off is named, and the next try is signed with the right time', async () => {
    const clock = { ...systemClock(), now: () => Date.now() - 3_600_000 };
    const store = open({ clock });
    await expect(store.read('a')).rejects.toMatchObject({
      code: 'store-denied',
      message: expect.stringContaining('RequestTimeTooSkewed') as unknown,
      hint: expect.stringContaining('NTP') as unknown,
    });
    expect(await store.read('a')).toBeNull();
  });
});

describe('a reply lost after the write', () => {
  it('finds its own create, and distinguishes it from another writer', async () => {
    const { store } = await behind(({ index }) => (index === 0 ? 'lose-reply' : 'pass'));
    const again = retryingStore(store, systemClock());
    const made = await again.create('run', bytes('mine'));
    expect(made).toEqual({ created: true, etag: (await store.read('run'))?.etag });
    expect(await again.create('run', bytes('theirs'))).toEqual({ created: false });
  });

  it('finds its own swap', async () => {
    const { store } = await behind(({ index }) => (index === 1 ? 'lose-reply' : 'pass'));
    const again = retryingStore(store, systemClock());
    const made = await again.create('run', bytes('one'));
    if (!made.created) throw new Error('not created');
    const etag = await again.swap('run', bytes('two'), made.etag);
    expect(await again.read('run')).toEqual({ body: bytes('two'), etag });
  });
});
