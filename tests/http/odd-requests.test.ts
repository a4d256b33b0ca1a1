import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GET as cronBackup } from '../../api/cron/backup.js';
import { GET as operator } from '../../api/operator.js';
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
  it.each(['%E0%A4%A', '%', '%zz', '%C0%AF', 'a%ff'])('/api/runs/%s is a wrong request, no defect', async (id) => {
    expect(await ask(operator, `/api/runs/${id}`)).toMatchObject({ status: 400, code: 'usage' });
  });

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

  it.each(['view=project', 'view=', 'format=xml', 'format=prometheus&format=x', 'view=%E0%A4%A'])(
    '/api/status?%s is refused',
    async (query) => {
      expect(await ask(operator, `/api/status?${query}`)).toMatchObject({ status: 422, code: 'invalid' });
    },
  );
});

describe('a secret that no request can carry', () => {
  const ODD = [' '.repeat(24), `${TOKEN} `, `${TOKEN}\n`, ` ${TOKEN}`, `${TOKEN}ü`];
  it.each(ODD)('%j shuts the doors of cron and operators, whoever knocks', async (secret) => {
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

describe('an address or method that is not there', () => {
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
  ])('%s %s names the methods that are', async (method, path, allow) => {
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
