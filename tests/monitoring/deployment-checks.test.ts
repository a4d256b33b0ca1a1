import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { deploymentClient } from '../../lib/services/task-endpoint.js';
import { functionVariables } from '../../lib/app/config/names.js';
import { generateAgeIdentity } from '../../lib/app/connect/stores.js';
import { signWebhook } from '../../lib/app/connect.js';
import { deploymentOf } from '../../lib/app/connect/database.js';
import { deploymentChecks, reachChecks, type ProbedDeployment } from '../../lib/health/checks/deployment.js';
import { examine, type CheckResult } from '../../lib/health/doctor.js';
import { adminEntry, cronEntry, queueEntry, webhookEntry, type Handler } from '../../lib/http/entry.js';
import { webhookRestore } from '../../lib/http/restore.js';
import { operator } from '../../lib/http/operator.js';
import { runTask } from '../../lib/http/tasks.js';
import { serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import vercel from '../../vercel.json' with { type: 'json' };
import { folderStore, type FolderStore } from '../support/folder-store.js';

const SECRETS = { admin: 'an-admin-token-of-32-characters-1', cron: 'a-cron-secret-of-32-characters-22' };
const LATE_MS = 300;
const saved = { ...process.env };

let folder: FolderStore;
const servers: HttpServer[] = [];
beforeAll(async () => {
  folder = await folderStore();
  Object.assign(process.env, {
    BACKUP_STORE: `file://${folder.folder}`,
    BACKUP_LABEL: 'production',
    UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:9',
    UPSTASH_REDIS_REST_TOKEN: 'token',
    QSTASH_TOKEN: 'token',
    QSTASH_CURRENT_SIGNING_KEY: 'sig_current',
    QSTASH_NEXT_SIGNING_KEY: 'sig_next',
    PUBLIC_URL: 'http://127.0.0.1:9',
    RESTORE_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
    ADMIN_TOKEN: SECRETS.admin,
    CRON_SECRET: SECRETS.cron,
  });
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});
afterAll(async () => {
  process.env = saved;
  await folder.remove();
});

async function serving(listener: RequestListener): Promise<string> {
  const server = await serveHttp(listener);
  servers.push(server);
  return server.url;
}

const never = () => Promise.reject(new Error('nobody may be let in'));
const FUNCTIONS: Readonly<Record<string, Handler>> = {
  '/api/tasks': queueEntry(runTask),
  '/api/webhooks/restore': webhookEntry(webhookRestore),
  '/api/cron/backup': cronEntry(never),
  '/api/cron/guard': cronEntry(never),
  '/api/restore': adminEntry(never),
};
const HEADERS = Object.fromEntries(vercel.headers[0]?.headers.map(({ key, value }) => [key, value]) ?? []);

/** The functions as they are, behind the page and its headers. */
const deployed: RequestListener = (request, response) => void answer(request, response);

async function answer(request: IncomingMessage, response: ServerResponse, headers = HEADERS): Promise<void> {
  const path = request.url ?? '/';
  if (path === '/')
    return void response.writeHead(200, { ...headers, 'content-type': 'text/html' }).end('<html></html>');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const sent = { method: request.method ?? 'GET', headers: { ...request.headers } as Record<string, string> };
  const body = chunks.length === 0 ? {} : { body: Buffer.concat(chunks) };
  const result = await (FUNCTIONS[path] ?? operator)(new Request(`http://x${path}`, { ...sent, ...body }));
  response.writeHead(result.status, { ...Object.fromEntries(result.headers) }).end(await result.text());
}

function outsideOf(url: string, changes: Partial<ProbedDeployment> = {}): ProbedDeployment {
  const expected = deploymentOf(process.env);
  return {
    url,
    client: () => deploymentClient(url, LATE_MS * 20),
    expected,
    secrets: SECRETS,
    variables: Object.keys(functionVariables(process.env)),
    sign: (body) => signWebhook(process.env, body),
    now: () => Date.now(),
    ...changes,
  };
}

async function all(outside: ProbedDeployment): Promise<Record<string, CheckResult>> {
  const results: CheckResult[] = [];
  for await (const one of examine(systemClock(), [reachChecks(outside), ...deploymentChecks(outside)]))
    results.push(one);
  return Object.fromEntries(results.map((one) => [one.name, one]));
}

describe('a deployment from outside', () => {
  it('refuses unauthorized callers, shows only public data, and matches the configuration here', async () => {
    const seen = await all(outsideOf(await serving(deployed)));
    const states = Object.fromEntries(Object.entries(seen).map(([name, { status }]) => [name, status]));
    expect(states).toEqual({
      tasks: 'ok',
      page: 'ok',
      status: 'warn',
      'cron-backup': 'ok',
      'cron-guard': 'ok',
      'cron-secret': 'ok',
      variables: 'ok',
      webhook: 'ok',
      'webhook-secret': 'ok',
      operators: 'ok',
      configuration: 'ok',
    });
    const runs: string[] = [];
    for await (const run of folder.store.folders('runs/')) runs.push(run);
    expect(runs).toEqual([]);
  });

  it('is distinguished from another deployment by its secrets and its configuration', async () => {
    const url = await serving(deployed);
    const wrong = { admin: 'another-token-of-32-characters-xx', cron: 'another-secret-of-32-characters-x' };
    const [foreign, other] = [
      await all(outsideOf(url, { secrets: wrong })),
      await all(outsideOf(url, { expected: { label: 'staging', database: 'x', store: 's3://b', version: '0' } })),
    ];
    expect(foreign['cron-secret']).toMatchObject({ ok: false, detail: expect.stringContaining('CRON_SECRET') });
    expect(foreign['configuration']).toMatchObject({ ok: false, detail: expect.stringContaining('ADMIN_TOKEN') });
    expect(other['configuration']).toMatchObject({
      ok: false,
      hint: expect.stringContaining('deploy --env-file .env'),
    });
    expect(other['configuration']?.detail).toContain('label is production there and staging here');
    const newer = await all(outsideOf(url, { expected: { ...outsideOf(url).expected, version: '99.0.0' } }));
    expect(newer['configuration']).toMatchObject({ status: 'warn', hint: expect.stringContaining('Deploy again') });
    const none = await all(outsideOf(url, { secrets: { admin: '', cron: '' } }));
    expect([none['cron-secret']?.status, none['configuration']?.status]).toEqual(['skipped', 'skipped']);
  });

  it('fails if it lacks variables that are set here, or has another webhook secret', async () => {
    const url = await serving(deployed);
    const here = [...Object.keys(functionVariables(process.env)), 'BACKUP_AGE_RECIPIENTS', 'EMBEDDING_MODEL'];
    const other = { RESTORE_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 8).toString('base64')}` };
    const seen = await all(outsideOf(url, { variables: here, sign: (body) => signWebhook(other, body) }));
    expect(seen['variables']).toMatchObject({
      ok: false,
      detail: expect.stringMatching(
        /BACKUP_AGE_RECIPIENTS, EMBEDDING_MODEL; without them, snapshots are in clear text/,
      ),
      hint: expect.stringContaining('deploy --env-file .env'),
    });
    expect(seen['webhook-secret']).toMatchObject({
      ok: false,
      hint: expect.stringContaining('RESTORE_WEBHOOK_SECRET'),
    });
    const most = Object.keys(functionVariables(process.env)).filter((name) => name !== 'BACKUP_LABEL');
    expect((await all(outsideOf(url, { variables: most, sign: () => null })))['variables']).toMatchObject({
      status: 'warn',
      detail: expect.stringContaining('set in the deployment, but not here: BACKUP_LABEL'),
      hint: expect.stringContaining('deploy --remove BACKUP_LABEL --env-file .env'),
    });
    process.env['BACKUP_AGE_RECIPIENTS'] = (await generateAgeIdentity()).recipient;
    const encrypts = await all(outsideOf(url, { variables: [...most, 'BACKUP_LABEL'] })).finally(() => {
      delete process.env['BACKUP_AGE_RECIPIENTS'];
    });
    expect(encrypts['variables']).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/not here: BACKUP_AGE_RECIPIENTS; the functions encrypt snapshots/),
    });
    const little = await all(outsideOf(url, { variables: ['EMBEDDING_MODEL'], sign: () => null }));
    expect([little['variables']?.status, little['webhook-secret']?.status]).toEqual(['warn', 'skipped']);
    const uses: string[] = [];
    for await (const { name } of folder.store.list('webhooks/')) uses.push(name);
    expect(uses).toEqual([]);
  });

  it.each([
    ['of an hour ago', new Date(Date.now() - 3_600_000).toISOString()],
    ['without a time', null],
  ])('is not ok with an answer %s', async (_, at) => {
    const url = await serving((request, response) => {
      if (request.url !== '/api/status' || request.headers.authorization !== undefined)
        return void answer(request, response);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ state: 'ok', at, label: null }));
    });
    expect((await all(outsideOf(url)))['status']).toMatchObject({ ok: false, detail: expect.stringContaining('old') });
  });

  it('fails without a separate secret, or without the headers of its page', async () => {
    const url = await serving((request, response) => void answer(request, response, {}));
    delete process.env['CRON_SECRET'];
    const seen = await all(outsideOf(url)).finally(() => (process.env['CRON_SECRET'] = SECRETS.cron));
    expect(seen['page']).toMatchObject({ ok: false, detail: expect.stringContaining('content-security-policy') });
    expect(seen['cron-backup']).toMatchObject({ ok: false, detail: expect.stringContaining('CRON_SECRET is not set') });
    expect(seen['operators']).toMatchObject({ ok: true });
  });

  const html = (status: number, text: string, headers = {}): RequestListener => {
    return (_, response) => void response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(text);
  };
  it.each<[string, RequestListener | string, RegExp, RegExp]>([
    [
      'deployment protection',
      html(401, '<title>Authentication Required</title>'),
      /deployment protection/,
      /Deployment Protection/,
    ],
    [
      'a login of Vercel',
      html(307, '', { location: 'https://vercel.com/sso-api' }),
      /deployment protection/,
      /Standard Protection/,
    ],
    [
      'a redirect',
      html(307, '', { location: 'https://www.example.com/api/tasks' }),
      /redirects to https:\/\/www\.example\.com/,
      /PUBLIC_URL=https:\/\/www/,
    ],
    ['no deployment', html(404, 'x', { 'x-vercel-error': 'DEPLOYMENT_NOT_FOUND' }), /no deployment/, /Domains/],
    ['another application', html(404, 'not found'), /another application/, /PUBLIC_URL/],
    [
      'a paused deployment',
      html(402, 'x', { 'x-vercel-error': 'DEPLOYMENT_DISABLED' }),
      /in place of the function/,
      /turned on/,
    ],
    ['a slow host', () => undefined, /did not answer/, /firewall/],
    ['a dead host', 'http://127.0.0.1:1', /cannot be reached \(ECONNREFUSED\)|cannot be reached/, /Domains/],
    ['a host that does not exist', 'http://nowhere.invalid', /does not exist|cannot be reached/, /Domains/],
  ])('names %s, and what to do', async (_, listener, detail, hint) => {
    const url = typeof listener === 'string' ? listener : await serving(listener);
    const outside = outsideOf(url, { client: () => deploymentClient(url, LATE_MS) });
    const results: CheckResult[] = [];
    for await (const one of examine(systemClock(), [reachChecks(outside)])) results.push(one);
    expect(results).toEqual([expect.objectContaining({ name: 'tasks', ok: false })]);
    expect(results[0]?.detail).toMatch(detail);
    expect(results[0]?.hint).toMatch(hint);
  });
});
