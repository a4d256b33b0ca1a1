import { afterEach, describe, expect, it } from '@jest/globals';
import { awsWebIdentity } from '../../lib/adapters/s3-credentials.js';
import { s3Store } from '../../lib/adapters/s3-store.js';
import {
  type FaultAction,
  type FaultProxy,
  type ProxiedRequest,
  startFaultProxy,
} from '../../lib/local/fault-proxy.js';

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
  it('are asked for once, used for every request, and renewed with a fresh token when they end', async () => {
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
