import { afterEach, describe, expect, it } from '@jest/globals';
import { awsWebIdentity, chooseCredentials } from '../../lib/stores/s3/open.js';
import { s3Store } from '../../lib/stores/s3/store.js';
import { type FaultAction, type FaultProxy, type ProxiedRequest, startFaultProxy } from '../../dev/fault-proxy.js';
import { serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import { collect } from '../contracts/object-store.js';

const proxies: FaultProxy[] = [];
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.stop();
});

async function serve(rule: (request: ProxiedRequest) => FaultAction): Promise<FaultProxy> {
  const proxy = await startFaultProxy({ target: 'http://127.0.0.1:1', rule });
  proxies.push(proxy);
  return proxy;
}

const ROLE = 'arn:aws:iam::123456789012:role/backup';

function granted(expiration: Date): FaultAction {
  const keys = `<AccessKeyId>TEMPKEY</AccessKeyId><SecretAccessKey>TEMPSECRET</SecretAccessKey><SessionToken>SESSION</SessionToken>`;
  const body = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>${keys}<Expiration>${expiration.toISOString()}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
  return { status: 200, headers: { 'content-type': 'text/xml' }, body };
}

describe('keys in exchange for an OIDC token', () => {
  it('are requested once, used for every request, and renewed with a new token when they expire', async () => {
    let left = 3_600_000;
    const sts = await serve(() => granted(new Date(Date.now() + left)));
    const s3 = await serve(() => ({ status: 200, headers: { etag: '"e"', 'content-length': '0' } }));
    let tokens = 0;
    const credentials = awsWebIdentity({ roleArn: ROLE, token: () => `token-${++tokens}`, stsEndpoint: sts.url });
    const options = { bucket: 'b', prefix: '', region: 'eu-central-1', endpoint: s3.url, credentials };
    const store = s3Store(options);
    await store.read('a');
    await store.read('b');
    expect(sts.requests.map((request) => request.body.toString())).toEqual([
      expect.stringMatching(/Action=AssumeRoleWithWebIdentity.*WebIdentityToken=token-1/),
    ]);
    expect(s3.requests).toHaveLength(2);
    for (const { headers } of s3.requests) {
      expect(headers.authorization).toMatch(/Credential=TEMPKEY\/\d+\/eu-central-1\/s3/);
      expect(headers['x-amz-security-token']).toBe('SESSION');
    }
    left = 1000;
    const short = s3Store(options);
    await short.read('a');
    await short.read('b');
    expect(tokens).toBeGreaterThan(2);
  });

  it.each(['InvalidIdentityToken', 'ExpiredTokenException', 'AccessDenied'])('%s is store-denied', async (code) => {
    const error = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>`;
    const sts = await serve(() => ({ status: 400, headers: { 'content-type': 'text/xml' }, body: error }));
    const credentials = awsWebIdentity({ roleArn: ROLE, token: () => 'a-secret-token', stsEndpoint: sts.url });
    const store = s3Store({ bucket: 'b', prefix: '', region: 'eu-central-1', endpoint: sts.url, credentials });
    const failure: unknown = await store.read('a').catch((it: unknown) => it);
    expect(failure).toMatchObject({ code: 'store-denied', transient: false });
    expect((failure as Error).message).not.toContain('a-secret-token');
  });
});

describe('which credentials are used', () => {
  const bucket = { BACKUP_STORE: 's3://bucket/x', S3_REGION: 'eu-central-1' };
  const keys = { S3_ACCESS_KEY_ID: 'AKIAKEY', S3_SECRET_ACCESS_KEY: 'secret' };
  const before = { ...process.env };
  afterEach(() => void (process.env = { ...before }));

  it('keys take precedence over a role, with their session token', () => {
    process.env['VERCEL_OIDC_TOKEN'] = 'a.token.of-vercel';
    const config = { ...bucket, ...keys, S3_SESSION_TOKEN: 'session', S3_ROLE_ARN: ROLE };
    expect(chooseCredentials(config)).toEqual({
      credentials: { accessKeyId: 'AKIAKEY', secretAccessKey: 'secret', sessionToken: 'session' },
      source: 'S3_ACCESS_KEY_ID and S3_SESSION_TOKEN',
    });
  });

  it('the role is used where Vercel’s token is, and the SDK’s chain where it is not', async () => {
    const config = { ...bucket, S3_ROLE_ARN: ROLE };
    process.env['VERCEL_OIDC_TOKEN'] = 'a.token.of-vercel';
    expect(chooseCredentials(config).source).toBe("S3_ROLE_ARN and Vercel's OIDC token");
    Reflect.deleteProperty(process.env, 'VERCEL_OIDC_TOKEN');
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIAENV', AWS_SECRET_ACCESS_KEY: 'secret-of-env' });
    const { credentials, source } = chooseCredentials(config, 'REPLICA_S3_');
    expect(source).toMatch(/default chain, since Vercel's OIDC token for REPLICA_S3_ROLE_ARN is not available/);
    const s3 = await serve(() => ({ status: 200, headers: { etag: '"e"', 'content-length': '0' } }));
    await s3Store({ bucket: 'b', prefix: '', region: 'eu-central-1', endpoint: s3.url, credentials }).read('a');
    expect(s3.requests[0]?.headers.authorization).toContain('Credential=AKIAENV/');
  });

  it('missing credentials are reported with the ways to set them', async () => {
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, {
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_CONFIG_FILE: '/dev/null',
    });
    const { credentials, source } = chooseCredentials(bucket);
    const s3 = await serve(() => ({ status: 200 }));
    const options = { bucket: 'b', prefix: '', region: 'eu-central-1', endpoint: s3.url };
    const error: unknown = await s3Store({ ...options, credentials, credentialSource: source })
      .read('a')
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'store-denied',
      message: expect.stringContaining("the AWS SDK's default chain"),
      hint: expect.stringMatching(/S3_ACCESS_KEY_ID.*AWS_PROFILE.*aws sso login/),
    });
  });
});

describe('a list', () => {
  let server: HttpServer | undefined;
  afterEach(() => server?.stop());

  /** A store behind a service that answers every list with this. */
  async function listing(inside: string) {
    server = await serveHttp((_request, response) => {
      response.setHeader('content-type', 'application/xml');
      response.end(`<?xml version="1.0"?><ListBucketResult>${inside}</ListBucketResult>`);
    });
    const credentials = { accessKeyId: 'id', secretAccessKey: 'secret' };
    return s3Store({ endpoint: server.url, region: 'r', credentials, bucket: 'backup', prefix: 'p' });
  }

  const NAME = '<Key>p/webhooks/a</Key>';
  const SIZE = '<Size>3</Size>';
  const TIME = '<LastModified>2026-11-22T02:00:00.000Z</LastModified>';

  it('gives size and time of each object', async () => {
    const store = await listing(`<Contents>${NAME}${SIZE}${TIME}</Contents>`);
    expect(await collect(store.list('webhooks/'))).toEqual([
      { name: 'webhooks/a', size: 3, modifiedAt: Date.parse('2026-11-22T02:00:00.000Z') },
    ]);
  });

  it.each([
    ['without a time', `<Contents>${NAME}${SIZE}</Contents>`],
    ['without a size', `<Contents>${NAME}${TIME}</Contents>`],
    [
      'cut off without a token for the rest',
      `<IsTruncated>true</IsTruncated><Contents>${NAME}${SIZE}${TIME}</Contents>`,
    ],
  ])('%s is no answer: an object of 1970 would be pruned, and half a list taken for the whole', async (_, inside) => {
    const store = await listing(inside);
    await expect(collect(store.list('webhooks/'))).rejects.toMatchObject({ code: 'store-unavailable' });
  });
});
