import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import getPort from 'get-port';
import { bodyOf, serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import { cli, cliJson, openStack, type CliStack, type Variables } from './fixture.js';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly status: string;
  readonly detail: string;
  readonly hint: string | null;
  readonly ms: number;
}

let stack: CliStack;
let sloppy: HttpServer;
beforeAll(async () => {
  stack = await openStack();
  sloppy = await startSloppyStore();
});
afterAll(async () => {
  await sloppy.stop();
  await stack.stop();
});

/** As much of S3 as writes objects over each other, whatever If-None-Match says: as many imitations do. */
function startSloppyStore(): Promise<HttpServer> {
  const objects = new Map<string, Buffer>();
  return serveHttp(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const body = await bodyOf(request);
    if (request.method === 'PUT') objects.set(path, body);
    if (request.method === 'DELETE') objects.delete(path);
    const found = objects.get(path);
    if (request.method === 'GET' && found === undefined) {
      response.writeHead(404, { 'content-type': 'application/xml' }).end('<Error><Code>NoSuchKey</Code></Error>');
      return;
    }
    response.writeHead(200, { etag: '"always-the-same"' }).end(request.method === 'GET' ? found : undefined);
  });
}

async function examined(env: Variables): Promise<{ code: number; checks: Map<string, Check> }> {
  const { code, json } = await cliJson(['doctor'], env);
  const checks = new Map((json['checks'] as Check[]).map((check) => [check.name, check]));
  expect(json).toMatchObject({ ok: code === 0, failed: [...checks.values()].filter(({ ok }) => !ok).length });
  return { code, checks };
}

const failedIn = (checks: Map<string, Check>): string[] =>
  [...checks.values()].filter(({ ok }) => !ok).map(({ name }) => name);

describe('doctor', () => {
  it('passes on a healthy stack and leaves nothing behind', async () => {
    const env: Variables = stack.env;
    const writes = stack.redis.writeCommandCount();
    const deliveries = stack.queue.deliveries.length;
    const { code, checks } = await examined(env);
    expect([code, failedIn(checks)]).toEqual([0, []]);
    for (const name of ['redis', 'redis-scan', 'redis-read', 'redis-clock', 'redis-server', 'store', 'store-writes'])
      expect(checks.get(name)).toMatchObject({ status: 'ok', hint: null, ms: expect.any(Number) });
    for (const name of ['store-clock', 'queue', 'signature', 'cron-secret', 'admin-token', 'redis-names'])
      expect(checks.get(name)?.status).toBe('ok');
    for (const name of ['queue-way-back', 'queue-delivery', 'index', 'embedder', 'drill', 'webhook-secret'])
      expect([name, checks.get(name)?.status]).toEqual([name, 'ok']);
    expect(checks.get('encryption')).toMatchObject({ status: 'skipped', ok: true });
    expect(checks.get('public-url')?.status).toBe('warn');
    const left = await readdir(fileURLToPath(env['BACKUP_STORE'] ?? ''), { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile())).toEqual([]);
    // One message of its own comes back over the queue; the database is left alone.
    expect([stack.redis.writeCommandCount(), stack.queue.deliveries.length]).toEqual([writes, deliveries + 1]);
  });

  it('prints a line for each check, with the hint below a failure', async () => {
    const { code, stdout } = await cli(['doctor'], { ...stack.env, CRON_SECRET: 'short' });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ok {4}redis .*\(\d+ ms\)$/m);
    expect(stdout).toMatch(/^FAIL {2}cron-secret .*16 characters.*\n +-> /m);
    expect(stdout).toMatch(/^warn {2}public-url .*\n +-> /m);
    expect(stdout.split('\n')[0]).toMatch(/^warn {2}without-alerts .*nobody is told/);
    expect(stdout).toMatch(/^1 check failed, \d+ warnings\.$/m);
  });

  it('fails without a database or a store, skips other unconfigured services, and says what that means', async () => {
    const { code, checks } = await examined({});
    expect([code, failedIn(checks)]).toEqual([1, ['redis', 'store']]);
    const missing = ['queue', 'cron', 'alerts', 'heartbeat', 'encryption', 'signature', 'replica', 'drill', 'admin'];
    const names = missing.map((name) => `without-${name}`);
    expect([...checks.keys()].slice(0, names.length)).toEqual(names);
    for (const name of names)
      expect(checks.get(name)).toMatchObject({ status: 'warn', hint: expect.stringContaining('.env') });
    expect(checks.get('queue')?.status).toBe('skipped');
    expect(checks.get('store')?.detail).toContain('no place to keep snapshots');
  });
});

describe('doctor fails', () => {
  it.each<[string, string, RegExp, () => Variables | Promise<Variables>]>([
    ['a wrong token', 'redis', /did not accept the token/, () => ({ UPSTASH_REDIS_REST_TOKEN: 'wrong-token-wrong' })],
    ['half a configuration', 'redis', /REST_TOKEN is missing/, () => ({ UPSTASH_REDIS_REST_TOKEN: '' })],
    [
      'a read-only token',
      'redis-scan',
      /NOPERM/,
      () => ({ UPSTASH_REDIS_REST_TOKEN: stack.secrets.redisReadOnlyToken }),
    ],
    [
      'an unreachable database',
      'redis',
      /could not be reached/,
      async () => ({ UPSTASH_REDIS_REST_URL: `http://127.0.0.1:${await getPort()}` }),
    ],
    ['a wrong queue token', 'queue', /refused the token/, () => ({ QSTASH_TOKEN: 'wrong-token-wrong' })],
    [
      'other signing keys',
      'queue',
      /do not match those of the service/,
      () => ({ QSTASH_CURRENT_SIGNING_KEY: 'sig_other_key_one', QSTASH_NEXT_SIGNING_KEY: 'sig_other_key_two' }),
    ],
    ['a folder that cannot be made', 'store', /is not a folder/, () => ({ BACKUP_STORE: 'file:///dev/null/store' })],
    [
      'a recipient that is none',
      'encryption',
      /not an age recipient/,
      () => ({ BACKUP_AGE_RECIPIENTS: 'age1nonsense' }),
    ],
    ['a signing key that is none', 'signature', /not an Ed25519 key/, () => ({ BACKUP_SIGNING_KEY: 'bm90IGEga2V5' })],
    ['a short secret', 'admin-token', /16 characters/, () => ({ ADMIN_TOKEN: 'too-short' })],
    [
      'a secret with a line end',
      'cron-secret',
      /CRON_SECRET contains a line end/,
      () => ({ CRON_SECRET: `${'s'.repeat(24)}\n` }),
    ],
    ['a webhook secret that is none', 'webhook-secret', /not whsec_/, () => ({ RESTORE_WEBHOOK_SECRET: 'abc' })],
    ['a wrong index token', 'index', /./, () => ({ UPSTASH_VECTOR_REST_TOKEN: 'wrong-token-wrong' })],
    [
      'an index of another dimension',
      'index',
      /768 dimensions, the embeddings have 1536/,
      () => ({ EMBEDDING_DIMENSIONS: '1536' }),
    ],
    ['a wrong embedder key', 'embedder', /./, () => ({ GEMINI_API_KEY: 'wrong-key-wrong-key' })],
    ['a wrong drill token', 'drill', /./, () => ({ DRILL_REDIS_REST_TOKEN: 'wrong-token-wrong' })],
    [
      'a drill in the protected database',
      'drill',
      /the database that is backed up/,
      () => ({
        DRILL_REDIS_REST_URL: stack.env['UPSTASH_REDIS_REST_URL'] ?? '',
        DRILL_REDIS_REST_TOKEN: stack.env['UPSTASH_REDIS_REST_TOKEN'] ?? '',
      }),
    ],
    [
      'a dead target',
      'target-standby',
      /could not be reached/,
      async () => ({
        RESTORE_TARGET_STANDBY_REST_URL: `http://127.0.0.1:${await getPort()}`,
        RESTORE_TARGET_STANDBY_REST_TOKEN: 'a-token-of-standby',
      }),
    ],
    ['a dead backend', 'backend', /./, async () => ({ BACKEND_URL: `http://127.0.0.1:${await getPort()}` })],
    [
      'a dead alert webhook',
      'alerts',
      /cannot be reached/,
      async () => ({ ALERT_WEBHOOK_URL: `http://127.0.0.1:${await getPort()}/secret-path` }),
    ],
    [
      'a dead heartbeat',
      'heartbeat',
      /cannot be reached/,
      async () => ({ HEARTBEAT_URL: `http://127.0.0.1:${await getPort()}/secret-path` }),
    ],
    [
      'an address that nobody answers at',
      'queue-way-back',
      /cannot be reached \(ECONNREFUSED\)/,
      async () => ({ PUBLIC_URL: `http://127.0.0.1:${await getPort()}` }),
    ],
    ['a store with an odd name', 'store', /BACKUP_STORE must not hold/, () => ({ BACKUP_STORE: 's3://bucket/a%zz' })],
  ])('on %s', async (_, name, detail, change) => {
    const env = { ...stack.env, ...(await change()) };
    const { code, checks } = await examined(env);
    // Another store or other keys than the deployment's: the message over the queue does not come back either.
    const failed = failedIn(checks).filter((one) => one === name || one !== 'queue-delivery');
    expect([code, failed]).toEqual([1, [name]]);
    expect(checks.get(name)?.detail).toMatch(detail);
    expect(checks.get(name)?.hint).toMatch(/\w/);
  });

  it('on a store that ignores If-None-Match', async () => {
    const { code, checks } = await examined({
      BACKUP_STORE: 's3://bucket/prefix',
      S3_ENDPOINT: sloppy.url,
      S3_REGION: 'us-east-1',
      S3_ACCESS_KEY_ID: 'AKIAEXAMPLEEXAMPLE',
      S3_SECRET_ACCESS_KEY: 'a-secret-access-key',
    });
    expect([code, failedIn(checks)]).toEqual([1, ['redis', 'store-writes']]);
    expect(checks.get('store-writes')?.detail).toContain('If-None-Match');
    expect(checks.get('store-clock')).toMatchObject({
      status: 'skipped',
      detail: expect.stringContaining('not tried'),
    });
  });

  it('on an identity that matches no recipient, and passes with one that does', async () => {
    const [ours, other] = [await generateX25519Identity(), await generateX25519Identity()];
    const recipient = await identityToRecipient(ours);
    const wrong = await examined({ BACKUP_AGE_RECIPIENTS: recipient, BACKUP_AGE_IDENTITY: other });
    expect([wrong.code, failedIn(wrong.checks)]).toEqual([1, ['redis', 'store', 'encryption']]);
    expect(wrong.checks.get('encryption')?.detail).toContain('matches none of the recipients');
    const right = await examined({ BACKUP_AGE_RECIPIENTS: recipient, BACKUP_AGE_IDENTITY: ours });
    expect(right.checks.get('encryption')).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining('decrypted it again'),
    });
  });
});
