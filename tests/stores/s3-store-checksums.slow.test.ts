import { createHash } from 'node:crypto';
import { CreateBucketCommand, PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { suppressAwsSdkNotices } from '../../lib/app/config.js';
import { systemClock } from '../../lib/services/clock.js';
import { s3Store, type S3StoreOptions } from '../../lib/stores/s3/store.js';
import { probeConditionalWrites } from '../../lib/health/checks/store.js';
import { type FaultAction, type FaultProxy, type ProxiedRequest, startFaultProxy } from '../../dev/fault-proxy.js';
import { type Radosgw, startRadosgw } from '../../dev/radosgw/index.js';

let ceph: Radosgw;
const proxies: FaultProxy[] = [];
beforeAll(async () => {
  suppressAwsSdkNotices();
  ceph = await startRadosgw();
  await ceph.createBucket('plain');
  const client = new S3Client({ ...ceph, credentials: ceph, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: 'locked', ObjectLockEnabledForBucket: true }));
  await client.send(
    new PutObjectLockConfigurationCommand({
      Bucket: 'locked',
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } },
      },
    }),
  );
  client.destroy();
});
afterAll(() => ceph.stop());
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.stop();
});

async function behind(rule: (request: ProxiedRequest) => FaultAction, options: Partial<S3StoreOptions> = {}) {
  const proxy = await startFaultProxy({ target: ceph.endpoint, rule });
  proxies.push(proxy);
  const store = s3Store({ ...ceph, credentials: ceph, bucket: 'plain', prefix: 'c', endpoint: proxy.url, ...options });
  return { proxy, store };
}

const answer = (status: number, code: string, message: string, headers = {}): FaultAction => ({
  status,
  headers: { 'content-type': 'application/xml', ...headers },
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
});
const hasChecksum = ({ headers }: ProxiedRequest): boolean =>
  'content-md5' in headers || Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-'));
const md5 = (text: string): string => createHash('md5').update(text).digest('base64');

/** The words of Amazon S3 for a write without a checksum into a bucket with a default retention. */
const DEMAND =
  'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters';

describe('a bucket with Object Lock and a default retention', () => {
  it('of Ceph accepts writes; the probe reports that it has no conditional writes with versioning', async () => {
    const store = s3Store({ ...ceph, credentials: ceph, bucket: 'locked', prefix: '' });
    expect(await store.create('a', Buffer.from('one'))).toMatchObject({ created: true });
    expect((await store.read('a'))?.body.toString()).toBe('one');
    await expect(probeConditionalWrites(store, systemClock())).rejects.toMatchObject({ code: 'store-unsafe' });
  });

  it('that demands a checksum gets one, with this write and all later ones', async () => {
    const { proxy, store } = await behind((request) =>
      request.method === 'PUT' && !hasChecksum(request) ? answer(400, 'InvalidRequest', DEMAND) : 'pass',
    );
    expect(await store.create('x', Buffer.from('one'))).toMatchObject({ created: true });
    expect(await store.create('y', Buffer.from('two'))).toMatchObject({ created: true });
    const puts = proxy.requests.filter(({ method }) => method === 'PUT');
    expect(puts.map(({ headers }) => headers['content-md5'])).toEqual([undefined, md5('one'), md5('two')]);
  });

  it('that accepts only CRC32 gets it', async () => {
    const { proxy, store } = await behind((request) =>
      request.method === 'PUT' && !('x-amz-checksum-crc32' in request.headers)
        ? answer(400, 'InvalidRequest', 'Missing required header for this request: x-amz-checksum-crc32 checksum')
        : 'pass',
    );
    expect(await store.create('z', Buffer.from('one'))).toMatchObject({ created: true });
    const [, second, third] = proxy.requests.filter(({ method }) => method === 'PUT');
    expect(second?.headers['content-md5']).toBe(md5('one'));
    expect(third?.headers).toMatchObject({ 'x-amz-checksum-crc32': expect.any(String) });
    expect(third?.headers['transfer-encoding']).toBeUndefined();
  });

  it('that accepts none is reported with the cause', async () => {
    const { store } = await behind(({ method }) => (method === 'PUT' ? answer(400, 'InvalidRequest', DEMAND) : 'pass'));
    await expect(store.create('n', Buffer.from('one'))).rejects.toMatchObject({
      code: 'store-unsafe',
      hint: expect.stringMatching(/Object Lock.*checksum/),
    });
  });

  it('gets no checksum when none is demanded', async () => {
    const { proxy, store } = await behind(() => 'pass');
    await store.create('q', Buffer.from('one'));
    expect(proxy.requests.filter(hasChecksum)).toEqual([]);
  });
});

describe('a refusal is reported with its cause', () => {
  it.each<[string, number, string, string, string, RegExp]>([
    ['a KMS key', 400, 'KMS.DisabledException', 'key is disabled', 'store-denied', /KMS key.*kms:GenerateDataKey/],
    [
      'rights on a KMS key',
      403,
      'AccessDenied',
      'User: arn:aws:iam::1:user/x is not authorized to perform: kms:GenerateDataKey on this resource',
      'store-denied',
      /kms:GenerateDataKey/,
    ],
    [
      'Object Lock',
      403,
      'AccessDenied',
      'Access Denied because object protected by object lock.',
      'store-denied',
      /Object Lock/,
    ],
    [
      'a bucket policy',
      403,
      'AccessDenied',
      'User: x is not authorized to perform: s3:PutObject with an explicit deny in a resource-based policy',
      'store-denied',
      /policy of the bucket/,
    ],
    [
      'an organization',
      403,
      'AccessDenied',
      'with an explicit deny in a service control policy',
      'store-denied',
      /service control policy/,
    ],
    ['rights', 403, 'AccessDenied', 'Access Denied', 'store-denied', /s3:PutObject/],
    [
      'bytes that changed',
      400,
      'BadDigest',
      'The Content-MD5 did not match',
      'store-unavailable',
      /changed on the way/,
    ],
    ['a clock', 403, 'RequestTimeTooSkewed', 'too large', 'store-denied', /NTP/],
    ['a session token', 400, 'InvalidToken', 'malformed', 'store-denied', /S3_SESSION_TOKEN/],
    [
      'another region',
      400,
      'AuthorizationHeaderMalformed',
      "the region 'us-east-1' is wrong; expecting 'eu-west-3'",
      'store-denied',
      /S3_REGION=eu-west-3/,
    ],
    ['path style', 403, 'SecondLevelDomainForbidden', 'virtual hosted', 'store-denied', /S3_ENDPOINT/],
    ['an archive', 403, 'InvalidObjectState', 'storage class', 'store-denied', /Glacier/],
  ])('%s', async (_, status, name, text, code, hint) => {
    const { store } = await behind(() => answer(status, name, text), { credentialSource: 'S3_ACCESS_KEY_ID' });
    const error: unknown = await store.create('r', Buffer.from('x')).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, hint: expect.stringMatching(hint) });
    expect((error as Error).message).not.toContain(text);
    if (code === 'store-denied') expect((error as Error).message).toContain('with credentials of S3_ACCESS_KEY_ID');
  });

  it('with the variables of the bucket that refused', async () => {
    const { store } = await behind(() => answer(403, 'InvalidAccessKeyId', 'x'), { variables: 'REPLICA_S3_' });
    await expect(store.read('r')).rejects.toMatchObject({ hint: expect.stringContaining('REPLICA_S3_ACCESS_KEY_ID') });
  });

  it('of another region by its header', async () => {
    const { store } = await behind(() =>
      answer(301, 'PermanentRedirect', 'x', { 'x-amz-bucket-region': 'eu-north-1' }),
    );
    await expect(store.read('r')).rejects.toMatchObject({ hint: expect.stringContaining('S3_REGION=eu-north-1') });
  });
});
