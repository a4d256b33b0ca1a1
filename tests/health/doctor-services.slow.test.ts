import { symlink } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import getPort from 'get-port';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Environment } from '../../lib/app/config.js';
import type { CheckGroup, CheckResult } from '../../lib/health/doctor.js';
import type { Clock } from '../../lib/ports/clock.js';
import { serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import { startGemini } from '../../dev/gemini/index.js';
import { startGitHub } from '../../dev/github/index.js';
import { startQstash } from '../../dev/qstash/index.js';
import { startUpstashAccount } from '../../dev/upstash-account/index.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { startUpstashVector } from '../../dev/upstash-vector/index.js';
import { startVercelApi } from '../../dev/vercel-api/index.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { quickClock } from '../support/clocks.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

// Retries do not wait; the limit of a check is a sleep of the clock that is given to it.
const hurried = (): Clock => ({ now: () => Date.now(), sleep: () => Promise.resolve() });
jest.unstable_mockModule('../../lib/services/clock.js', () => ({ systemClock: hurried }));
const { checkGroups } = await import('../../lib/app/checks.js');
const { sharesBucket } = await import('../../lib/app/connect/stores.js');
const { examine } = await import('../../lib/health/doctor.js');

const HTML = { 'content-type': 'text/html' };
const JSON_TYPE = { 'content-type': 'application/json' };
/** What may answer at a service's address in its place, or in its name. */
const FAULTS: Readonly<Record<string, RequestListener>> = {
  'a page that asks to sign in': (_, response) =>
    void response.writeHead(401, HTML).end('<title>Authentication Required</title>'),
  'a refusal with 403': (_, response) => void response.writeHead(403, JSON_TYPE).end('{"error":"Forbidden"}'),
  'a redirect': (_, response) => void response.writeHead(307, { location: 'https://www.example.com/' }).end(),
  'no such page': (_, response) => void response.writeHead(404, HTML).end('<title>404: NOT_FOUND</title>'),
  'a daily limit': (_, response) =>
    void response.writeHead(429, JSON_TYPE).end('{"error":"Exceeded daily rate limit","message":"daily limit"}'),
  'a failure of its own': (_, response) => void response.writeHead(500, JSON_TYPE).end('{"error":"internal"}'),
  'a connection that breaks': (request) => void request.socket.destroy(),
};
/** A service that takes messages without a word is not to be told from these. */
const ODD_ANSWERS: Readonly<Record<string, RequestListener>> = {
  'an empty answer': (_, response) => void response.writeHead(200).end(),
  'a page': (_, response) => void response.writeHead(200, HTML).end('<title>Welcome</title>'),
  'cut JSON': (_, response) => void response.writeHead(200, JSON_TYPE).end('{"result":'),
  'another JSON': (_, response) => void response.writeHead(200, JSON_TYPE).end('{}'),
};
const SLOW: Readonly<Record<string, RequestListener>> = {
  'no answer': () => undefined,
  'an answer that never ends': (_, response) => void response.writeHead(200, JSON_TYPE).write('{'),
};

const TOKEN = 'token-token-token';
/** The check that tells of a service, and the variables that lead to it. */
const SERVICES: Readonly<Record<string, (url: string, token?: string) => Environment>> = {
  redis: (url, token = TOKEN) => ({ UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token }),
  'store-writes': (url) => s3(url, 'BACKUP_STORE'),
  replica: (url) => {
    const { S3_ENDPOINT, S3_REGION, ...keys } = s3(url, 'BACKUP_REPLICA_STORE');
    const own = Object.entries({ ...keys, S3_ENDPOINT, S3_REGION }).map(([variable, value]) => [
      variable.replace(/^S3_/, 'REPLICA_S3_'),
      value,
    ]);
    return Object.fromEntries(own) as Environment;
  },
  queue: (url, token = TOKEN) => ({
    QSTASH_URL: url,
    QSTASH_TOKEN: token,
    QSTASH_CURRENT_SIGNING_KEY: 'sig_current',
    QSTASH_NEXT_SIGNING_KEY: 'sig_next',
    PUBLIC_URL: 'https://backup.example.com',
  }),
  index: (url, token = TOKEN) => ({ UPSTASH_VECTOR_REST_URL: url, UPSTASH_VECTOR_REST_TOKEN: token }),
  'index-next': (url, token = TOKEN) => ({
    UPSTASH_VECTOR_NEXT_REST_URL: url,
    UPSTASH_VECTOR_NEXT_REST_TOKEN: token,
  }),
  embedder: (url, token = TOKEN) => ({ GEMINI_API_KEY: token, GEMINI_BASE_URL: url }),
  drill: (url, token = TOKEN) => ({ DRILL_REDIS_REST_URL: url, DRILL_REDIS_REST_TOKEN: token }),
  'target-standby': (url, token = TOKEN) => ({
    RESTORE_TARGET_STANDBY_REST_URL: url,
    RESTORE_TARGET_STANDBY_REST_TOKEN: token,
  }),
  backend: (url) => ({ BACKEND_URL: url }),
  'github-token': (url, token = 'ghp_0123456789012345678901234567890123456789') => ({
    GITHUB_API_URL: url,
    GITHUB_TOKEN: token,
  }),
  'github-app': (url, token = TOKEN) => ({ GITHUB_API_URL: url, GITHUB_ID: 'Ov23liAbCdEf', GITHUB_SECRET: token }),
  vercel: (url, token = TOKEN) => ({ VERCEL_API_URL: url, VERCEL_API_TOKEN: token }),
  'upstash-account': (url, token = TOKEN) => ({
    UPSTASH_API_URL: url,
    UPSTASH_EMAIL: 'someone@example.com',
    UPSTASH_API_KEY: token,
    UPSTASH_REDIS_ID: 'an-id',
  }),
  alerts: (url) => ({ ALERT_WEBHOOK_URL: `${url}/hook` }),
  heartbeat: (url) => ({ HEARTBEAT_URL: `${url}/ping` }),
};

function s3(url: string, variable: string): Environment {
  const keys = { S3_ACCESS_KEY_ID: 'AKIAEXAMPLEEXAMPLE', S3_SECRET_ACCESS_KEY: 'a-secret-access-key' };
  return { [variable]: 's3://bucket/prefix', S3_ENDPOINT: url, S3_REGION: 'us-east-1', ...keys };
}

/** What to do names the variable that leads there, or where the service tells of itself. */
const CURES: Readonly<Record<string, RegExp>> = {
  redis: /UPSTASH_REDIS_REST_|Upstash console|other clients/,
  'store-writes': /S3_|bucket/,
  replica: /REPLICA_S3_|bucket/,
  queue: /QSTASH_/,
  index: /UPSTASH_VECTOR_REST_|Upstash console/,
  'index-next': /UPSTASH_VECTOR_NEXT_REST_|Upstash console/,
  embedder: /GEMINI_|EMBEDDING_MODEL|Google|quota/,
  drill: /DRILL_REDIS_REST_|Upstash console|other clients/,
  'target-standby': /RESTORE_TARGET_STANDBY_REST_|Upstash console|other clients/,
  backend: /BACKEND_URL/,
  'github-token': /GITHUB_API_URL|not at fault/,
  'github-app': /GITHUB_API_URL|not at fault/,
  vercel: /VERCEL_API_|VERCEL_TEAM_ID|later/,
  'upstash-account': /UPSTASH_API_|UPSTASH_REDIS_ID|team|minute|console/,
  alerts: /ALERT_WEBHOOK_URL|ALERT_FORMAT|alerts test/,
  heartbeat: /HEARTBEAT_URL/,
};

const servers = new Map<string, HttpServer>();
/** Nobody listens there. */
let dead = '';
let folder: FolderStore;
beforeAll(async () => {
  folder = await folderStore();
  dead = `http://127.0.0.1:${await getPort()}`;
  for (const [name, listener] of Object.entries({ ...FAULTS, ...ODD_ANSWERS, ...SLOW })) {
    servers.set(name, await serveHttp(listener));
  }
});
afterAll(async () => {
  for (const server of servers.values()) await server.stop();
  await folder.remove();
});

const urlOf = (fault: string): string => servers.get(fault)?.url ?? '';
const patient = (): Clock => ({
  now: () => Date.now(),
  sleep: (_, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
});

/** What doctor says of one service. */
async function told(name: string, env: Environment, clock: Clock = patient()): Promise<CheckResult | undefined> {
  const whole = { BACKUP_STORE: `file://${folder.folder}`, ...env };
  const isOf = (group: CheckGroup): boolean => group.some((check) => check.name === name);
  const results: CheckResult[] = [];
  for await (const one of examine(clock, checkGroups(whole, clock).filter(isOf))) results.push(one);
  return results.find((one) => !one.ok) ?? results.find((one) => one.name === name);
}

/** What is not as it has to be, by fault. */
async function wrongs(name: string, faults: readonly string[]): Promise<string[]> {
  const results = await Promise.all(faults.map((fault) => told(name, SERVICES[name]?.(urlOf(fault)) ?? {})));
  return results.flatMap((result, at) => {
    const isTold = result?.ok === false && (CURES[name] ?? /never/).test(result.hint ?? '');
    return isTold ? [] : [`${faults[at] ?? ''}: ${JSON.stringify(result)}`];
  });
}

describe('doctor names a service, and what to do', () => {
  const names = Object.keys(SERVICES);
  it.each(names)('%s whose host is dead', async (name) => {
    const result = await told(name, SERVICES[name]?.(dead) ?? {});
    expect(result).toMatchObject({ status: 'fail', detail: expect.stringMatching(/reached|ECONNREFUSED/) });
    expect(result?.hint).toMatch(CURES[name] ?? /never/);
  });

  it.each(names)('%s whose host is slow', async (name) => {
    for (const fault of Object.keys(SLOW)) {
      // An alert channel is asked for its status alone.
      if (name === 'alerts' && fault !== 'no answer') continue;
      const result = await told(name, SERVICES[name]?.(urlOf(fault)) ?? {}, quickClock());
      expect([fault, result]).toMatchObject([fault, { ok: false, detail: expect.stringMatching(/^No answer within/) }]);
      expect(result?.hint).toMatch(/check the address/);
    }
  });

  it.each(names)('%s in whose place something else answers, or that refuses', async (name) => {
    expect(await wrongs(name, Object.keys(FAULTS))).toEqual([]);
  });

  it.each(names.filter((name) => name !== 'alerts' && name !== 'heartbeat'))(
    '%s whose answer is not its own',
    async (name) => {
      expect(await wrongs(name, Object.keys(ODD_ANSWERS))).toEqual([]);
    },
  );

  it.each(['alerts', 'heartbeat'])('%s in whose place a page is shown', async (name) => {
    expect(await wrongs(name, ['a page'])).toEqual([]);
  });

  it('heartbeat whose service does not know the address', async () => {
    const { stop, url } = await serveHttp((_, response) => response.end('OK (not found)'));
    const result = await told('heartbeat', { HEARTBEAT_URL: `${url}/uuid` });
    await stop();
    expect(result).toMatchObject({ ok: false, hint: expect.stringContaining('HEARTBEAT_URL') });
  });

  it.each(['abc', 'whsec_', 'whsec_!!!', '   ', 'whsec_c2hvcnQ=', '"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"'])(
    'webhook-secret that is %j',
    async (secret) => {
      const result = await told('webhook-secret', { RESTORE_WEBHOOK_SECRET: secret });
      expect(result).toMatchObject({ ok: false, hint: expect.stringMatching(/\w/) });
      expect(`${result?.detail ?? ''} ${result?.hint ?? ''}`).toContain('RESTORE_WEBHOOK_SECRET');
    },
  );
});

describe('doctor names a wrong credential', () => {
  interface Real {
    readonly url: string;
    stop(): Promise<void>;
  }
  const real: Record<string, Real> = {};
  let database: TestDatabase;
  beforeAll(async () => {
    database = await startTestDatabase();
    const redis = await startUpstashRedis({ redisUrl: database.url, token: 'right' });
    const vector = await startUpstashVector({ token: 'right' });
    const github = await startGitHub({ tokens: [], apps: [] });
    Object.assign(real, { redis, drill: redis, 'target-standby': redis, index: vector, 'index-next': vector });
    Object.assign(real, { 'github-token': github, 'github-app': github, queue: await startQstash({ token: 'right' }) });
    Object.assign(real, { embedder: await startGemini({ apiKey: 'right', vectors: 'hash' }) });
    Object.assign(real, { vercel: await startVercelApi({ token: 'right' }) });
    Object.assign(real, { 'upstash-account': await startUpstashAccount({ databases: [] }) });
  });
  afterAll(async () => {
    for (const one of new Set(Object.values(real))) await one.stop();
    await database.stop();
  });

  it.each<[string, RegExp, RegExp]>([
    ['redis', /did not accept the token/, /UPSTASH_REDIS_REST_TOKEN/],
    ['drill', /did not accept the token/, /DRILL_REDIS_REST_TOKEN/],
    ['target-standby', /did not accept the token/, /RESTORE_TARGET_STANDBY_REST_TOKEN/],
    ['queue', /token/, /QSTASH_TOKEN/],
    ['index', /token/, /UPSTASH_VECTOR_REST_TOKEN/],
    ['index-next', /token/, /UPSTASH_VECTOR_NEXT_REST_TOKEN/],
    ['embedder', /key/, /GEMINI_API_KEY/],
    ['github-token', /does not accept the token/, /npx soulcaster-backup github rotate --env-file \.env/],
    ['github-app', /client id and secret/, /npx soulcaster-backup github rotate --app --env-file \.env/],
    ['vercel', /did not accept the token/, /VERCEL_API_TOKEN/],
    ['upstash-account', /does not accept UPSTASH_EMAIL and UPSTASH_API_KEY/, /Management API/],
  ])('of %s', async (name, detail, hint) => {
    const result = await told(name, SERVICES[name]?.(real[name]?.url ?? '', 'a-wrong-token-of-length') ?? {});
    expect(result).toMatchObject({ status: 'fail', detail: expect.stringMatching(detail) });
    expect(result?.hint).toMatch(hint);
  });
});

describe('doctor names services that must differ but are the same', () => {
  let database: TestDatabase;
  let redis: Awaited<ReturnType<typeof startUpstashRedis>>;
  beforeAll(async () => {
    database = await startTestDatabase();
    redis = await startUpstashRedis({ redisUrl: database.url, token: 'right' });
  });
  afterAll(async () => {
    await redis.stop();
    await database.stop();
  });
  const protectedOne = () => ({ UPSTASH_REDIS_REST_URL: redis.url, UPSTASH_REDIS_REST_TOKEN: 'right' });
  const alias = (): string => redis.url.replace('127.0.0.1', 'localhost');

  it.each([
    ['drill', 'DRILL_REDIS_REST_'],
    ['target-standby', 'RESTORE_TARGET_STANDBY_REST_'],
  ])('%s, by the same name and by another', async (name, prefix) => {
    for (const url of [redis.url, alias()]) {
      const result = await told(name, { ...protectedOne(), [`${prefix}URL`]: url, [`${prefix}TOKEN`]: 'right' });
      expect(result).toMatchObject({ status: 'fail', detail: expect.stringContaining('is backed up') });
      expect(result?.hint).toContain(`${prefix}URL`);
    }
    expect(await database.redis.dbsize()).toBe(0);
  });

  it('not a target beside a database that does not answer', async () => {
    const env = { UPSTASH_REDIS_REST_URL: dead, UPSTASH_REDIS_REST_TOKEN: 'right' };
    const drill = { DRILL_REDIS_REST_URL: redis.url, DRILL_REDIS_REST_TOKEN: 'right' };
    expect(await told('drill', { ...env, ...drill })).toMatchObject({ status: 'ok' });
  });

  it('the second store, as a link to the first', async () => {
    const other = await folderStore();
    const link = `${other.folder}/link`;
    await symlink(folder.folder, link);
    const of = (path: string) => told('replica-apart', { BACKUP_REPLICA_STORE: `file://${path}` });
    expect(await of(link)).toMatchObject({ status: 'fail', hint: expect.stringContaining('BACKUP_REPLICA_STORE') });
    expect(await of(other.folder)).toMatchObject({ status: 'ok' });
    await other.remove();
  });

  it('the second store, in the bucket of the first', () => {
    const first = { BACKUP_STORE: 's3://bucket/one', S3_ENDPOINT: 'https://s3.example' };
    const second = (store: string, endpoint: string) =>
      sharesBucket({ ...first, BACKUP_REPLICA_STORE: store, REPLICA_S3_ENDPOINT: endpoint });
    expect(second('s3://bucket/two', 'https://s3.example/')).toBe(true);
    expect(second('s3://bucket/one', 'https://other.example')).toBe(false);
    expect(second('s3://another/one', 'https://s3.example')).toBe(false);
  });

  it('the index to build beside, as a warning', async () => {
    const vector = await startUpstashVector({ token: TOKEN });
    const first = { UPSTASH_VECTOR_REST_URL: vector.url, UPSTASH_VECTOR_REST_TOKEN: TOKEN };
    const next = { UPSTASH_VECTOR_NEXT_REST_URL: `${vector.url}/`, UPSTASH_VECTOR_NEXT_REST_TOKEN: TOKEN };
    expect(await told('index-next', { ...first, ...next })).toMatchObject({
      status: 'warn',
      hint: expect.stringContaining('UPSTASH_VECTOR_NEXT_REST_URL'),
    });
    expect(await told('index-next', next)).toMatchObject({ status: 'ok' });
    await vector.stop();
  });
});
