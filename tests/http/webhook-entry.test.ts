import { randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { POST } from '../../lib/http/functions/webhooks/restore.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';

const NAME = 'RESTORE_WEBHOOK_SECRET';
const BODY = JSON.stringify({ snapshot: 'latest', scope: { project: 'p1' }, dryRun: true });

let folder: FolderStore;
let before: NodeJS.ProcessEnv;
beforeEach(async () => {
  folder = await folderStore();
  before = { ...process.env };
  Object.assign(process.env, {
    BACKUP_STORE: pathToFileURL(folder.folder).href,
    UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:9',
    UPSTASH_REDIS_REST_TOKEN: 'never-used',
    QSTASH_TOKEN: '',
  });
});
afterEach(async () => {
  process.env = before;
  await folder.remove();
});

async function post(headers: Record<string, string>): Promise<Record<string, unknown>> {
  const url = 'https://backup.example/api/webhooks/restore';
  const response = await POST(new Request(url, { method: 'POST', body: BODY, headers }));
  const names: string[] = [];
  for await (const { name } of folder.store.list('')) names.push(name);
  expect(names).toEqual([]);
  return (await response.json()) as Record<string, unknown>;
}

function sign(secret: string): Record<string, string> {
  const now = new Date();
  return {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign('msg_1', now, BODY),
  };
}

const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

describe('the secret of POST /api/webhooks/restore', () => {
  it.each([undefined, ''])('refuses all callers if it is %j', async (secret) => {
    if (secret === undefined) Reflect.deleteProperty(process.env, NAME);
    else process.env[NAME] = secret;
    const problem = await post(sign(newSecret()));
    expect(problem).toMatchObject({ status: 401, code: 'unauthorized', hint: expect.stringContaining(NAME) });
  });

  it('refuses all callers if it is malformed, without revealing it', async () => {
    process.env[NAME] = 'whsec_tooshort';
    const problem = await post(sign(newSecret()));
    expect(problem).toMatchObject({ status: 500, code: 'config', detail: expect.stringContaining(NAME) });
    expect(JSON.stringify(problem)).not.toContain('tooshort');
  });

  it('authorizes callers that sign with it', async () => {
    const secret = newSecret();
    process.env[NAME] = `${newSecret()} ${secret}`;
    expect(await post(sign(newSecret()))).toMatchObject({ status: 401, code: 'signature-wrong' });
    // Let in, and told that there is nothing to restore.
    expect(await post(sign(secret))).toMatchObject({ status: 404, code: 'not-found' });
  });
});
