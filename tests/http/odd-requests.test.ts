import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GET as cronBackup } from '../../lib/http/functions/cron/backup.js';
import { GET as operator } from '../../lib/http/functions/operator.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';

const TOKEN = 'an-admin-token-of-32-characters-x';
const BASE = 'https://backup.example';

let folder: FolderStore;
let before: NodeJS.ProcessEnv;
beforeEach(async () => {
  folder = await folderStore();
  before = { ...process.env };
  Object.assign(process.env, { BACKUP_STORE: `file://${folder.folder}`, ADMIN_TOKEN: TOKEN, QSTASH_TOKEN: '' });
});
afterEach(async () => {
  process.env = before;
  await folder.remove();
});

type Handler = (request: Request) => Promise<Response>;

async function ask(
  handler: Handler,
  path: string,
  token = TOKEN,
): Promise<{ status: number; code: string; text: string }> {
  const response = await handler(new Request(`${BASE}${path}`, { headers: { authorization: `Bearer ${token}` } }));
  const text = await response.text();
  return { status: response.status, code: (JSON.parse(text) as { code: string }).code, text };
}

describe('an odd path or query', () => {
  it.each(['%E0%A4%A', '%', '%zz', '%C0%AF', 'a%ff'])(
    '/api/runs/%s is a bad request, not an internal error',
    async (id) => {
      expect(await ask(operator, `/api/runs/${id}`)).toMatchObject({ status: 400, code: 'usage' });
    },
  );

  it.each(['%00', '..%2F..%2Fetc', '%F0%9F%92%A9', 'x'.repeat(5_000), '%20'])(
    '/api/runs/%s is a run that is not there',
    async (id) => {
      expect(await ask(operator, `/api/runs/${id}`)).toMatchObject({ status: 404, code: 'not-found' });
    },
  );

  it.each(['limit=', 'limit=%', 'limit=0', 'limit=501', 'limit=1e1', 'limit=%0A', 'limit=5&limit=x'])(
    '/api/snapshots?%s is refused',
    async (query) => {
      expect(await ask(operator, `/api/snapshots?${query}`)).toMatchObject({ status: 422, code: 'invalid' });
    },
  );

  it.each([
    'view=project',
    'view=',
    'format=xml',
    'format=prometheus&format=x',
    'view=projects&format=prometheus',
    'view=%E0%A4%A',
  ])('/api/status?%s is refused', async (query) => {
    expect(await ask(operator, `/api/status?${query}`)).toMatchObject({ status: 422, code: 'invalid' });
  });
});

describe('/api/status while the store is down', () => {
  const status = (query: string, headers: Record<string, string>) =>
    operator(new Request(`${BASE}/api/status${query}`, { headers }));
  const admin = { authorization: `Bearer ${TOKEN}` };

  it.each([
    ['does not answer', 'file:///proc/version'],
    ['cannot be opened', 's3://'],
  ])('has metrics that are up 0, and problems that name the deployment: %s', async (_what, address) => {
    process.env['BACKUP_STORE'] = address;
    const metrics = await status('?format=prometheus', admin);
    expect([metrics.status, metrics.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')]);
    const text = await metrics.text();
    expect(text).toContain('soulcaster_backup_up 0\n');
    expect(text).toContain('soulcaster_backup_answer{answer="recoverable",state="unknown"} 1');
    expect(text).not.toContain('snapshot');
    const problem = await status('', admin);
    expect(problem.status).toBeGreaterThanOrEqual(500);
    expect(await problem.json()).toMatchObject({
      hint: expect.any(String) as unknown,
      deployment: { version: expect.any(String) as unknown },
    });
    const open = await status('', {});
    expect([open.status, Object.keys((await open.json()) as object)]).toEqual([503, ['state', 'at', 'label']]);
    const wrong = await status('?format=prometheus', { authorization: 'Bearer of-another-deployment' });
    expect([wrong.status >= 400, (await wrong.text()).includes('soulcaster_backup_up')]).toEqual([true, false]);
  });
});

describe('input that a call would ignore', () => {
  const ID = '20260101T000000Z-aaaaaa';

  async function post(path: string, body: string): Promise<{ status: number; code: string; objects: string[] }> {
    Object.assign(process.env, { UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:1', UPSTASH_REDIS_REST_TOKEN: 'unused' });
    const headers = { authorization: `Bearer ${TOKEN}` };
    const response = await operator(new Request(`${BASE}${path}`, { method: 'POST', headers, body }));
    const { code } = (await response.json()) as { code: string };
    const objects: string[] = [];
    for await (const { name } of folder.store.list('')) objects.push(name);
    return { status: response.status, code, objects };
  }

  it.each([
    ['snapshots', 'backup'],
    ['snapshots', 'drill'],
    ['runs', `runs/${ID}/cancel`],
    ['alerts', 'alerts/test'],
  ])('a body is refused by a call that takes none (%s: POST /api/%s)', async (_, path) => {
    for (const body of ['{"dryRun":true}', '{"project":"p"}', '[]', 'dryRun=true', '{"a":']) {
      const { code, objects } = await post(`/api/${path}`, body);
      expect([body, ['invalid', 'usage'].includes(code), objects]).toEqual([body, true, []]);
    }
    expect((await post(`/api/${path}`, 'x'.repeat(100_000))).status).toBe(413);
  });

  it.each(['backup', 'drill', 'verify', 'restore', 'reindex', `snapshots/${ID}/pin`, 'alerts/acknowledge'])(
    'a parameter is refused by POST /api/%s, whose orders are in its body',
    async (path) => {
      for (const query of ['dryRun=true', 'dryRun', 'x-vercel=1']) {
        const refused = { status: 422, code: 'invalid', objects: [] };
        expect(await post(`/api/${path}?${query}`, '{}')).toEqual(refused);
      }
    },
  );

  it('parameters of Vercel are not refused', async () => {
    const { code } = await post(
      `/api/alerts/acknowledge?x-vercel-protection-bypass=secret`,
      '{"code":"x","reason":"y"}',
    );
    expect(code).toBe('not-found');
    expect((await ask(operator, '/api/snapshots?x-vercel-protection-bypass=secret')).status).toBe(200);
  });

  it.each([
    'snapshots?limt=1',
    `snapshots/${ID}?x=1`,
    `runs/${ID}?x=1`,
    'runs?limit=1&limit=1',
    'runs?before=&before=',
  ])('GET /api/%s is refused', async (path) => {
    expect(await ask(operator, `/api/${path}`)).toMatchObject({ status: 422, code: 'invalid' });
  });
});

describe('a secret that no request can carry', () => {
  const ODD = [' '.repeat(24), `${TOKEN} `, `${TOKEN}\n`, ` ${TOKEN}`, `${TOKEN}ü`];
  it.each(ODD)('%j makes cron and operator routes refuse every caller', async (secret) => {
    Object.assign(process.env, { ADMIN_TOKEN: secret, CRON_SECRET: secret });
    for (const [handler, path] of [
      [operator, '/api/snapshots'],
      [cronBackup, '/api/cron/backup'],
    ] as const) {
      const answer = await ask(handler, path);
      expect(answer).toMatchObject({ status: 401, code: 'unauthorized' });
      expect(answer.text).toContain('not usable');
      expect(answer.text).not.toContain(TOKEN);
    }
  });
});

describe('an unknown address or method', () => {
  it.each(['/api/nothing', '/api/runs/x/y', '/api/operator', '/api/snapshots/x/y/z/w'])(
    '%s is answered as such',
    async (path) => {
      expect(await ask(operator, path)).toMatchObject({ status: 404, code: 'not-found' });
    },
  );

  it.each([
    ['POST', '/api/status', 'GET, HEAD'],
    ['GET', '/api/backup', 'POST'],
    ['DELETE', '/api/runs/20260101T000000Z-aaaaaa', 'GET, HEAD'],
  ])('%s %s names the allowed methods', async (method, path, allow) => {
    const answer = await operator(new Request(`${BASE}${path}`, { method }));
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow]);
    expect(await answer.json()).toMatchObject({ code: 'method-not-allowed' });
  });

  it('HEAD is answered as GET is, without a body', async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const answer = await operator(new Request(`${BASE}/api/snapshots`, { method: 'HEAD', headers }));
    expect([answer.status, await answer.text()]).toEqual([200, '']);
  });
});
