import { expect, it } from '@jest/globals';
import getPort from 'get-port';
import { cliJson, type Variables } from '../cli/fixture.js';
import { folderStore } from '../support/folder-store.js';

it('an unreachable queue is reported only in our words, with the workaround', async () => {
  const folder = await folderStore();
  const dead = `http://127.0.0.1:${await getPort()}`;
  const env: Variables = {
    BACKUP_STORE: `file://${folder.folder}`,
    UPSTASH_REDIS_REST_URL: dead,
    UPSTASH_REDIS_REST_TOKEN: 'never-used',
    QSTASH_URL: dead,
    QSTASH_TOKEN: 'a-token-of-the-queue',
    QSTASH_CURRENT_SIGNING_KEY: 'sig_current_key',
    QSTASH_NEXT_SIGNING_KEY: 'sig_next_key',
    PUBLIC_URL: 'https://backup.example',
  };
  const { code, stderr, json } = await cliJson(['backup'], env);
  expect(code).not.toBe(0);
  expect(stderr).not.toMatch(/Upstash QStash\]/);
  expect(json.error?.hint).toContain('--local');
  await folder.remove();
});
