import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pathToFileURL } from 'node:url';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { days, listed, namesIn, writeRun } from '../retention/prune/bench.js';
import { cli, cliJson } from './fixture.js';

let folder: FolderStore;
let env: Record<string, string>;
beforeEach(async () => {
  folder = await folderStore();
  env = { BACKUP_STORE: pathToFileURL(folder.folder).href, RETENTION_KEEP_WITHIN_DAYS: '0' };
  for (const name of ['DAILY', 'WEEKLY', 'MONTHLY']) env[`RETENTION_KEEP_${name}`] = '0';
});
afterEach(() => folder.remove());

describe('prune on the command line', () => {
  it('prints the verdict on each snapshot with its reasons, and applies it', async () => {
    const ids = await days(folder.store, 3);
    const before = await namesIn(folder.store);
    const few = { ...env, RETENTION_KEEP_LAST: '2' };
    const dry = await cli(['prune', '--dry-run'], few);
    expect(dry).toMatchObject({ code: 0, stderr: '' });
    expect(dry.stdout).toMatch(new RegExp(`${ids[2] ?? ''}\\s+remove\\s+no-rule`));
    expect(dry.stdout).toContain('Would remove 1 snapshot; 4 objects');
    expect(await namesIn(folder.store)).toEqual(before);
    const real = await cliJson(['prune'], few);
    expect(real.json).toMatchObject({ dryRun: false, held: null, snapshots: { kept: 2, removed: 1 } });
    expect(await listed(folder.store)).toEqual(ids.slice(0, 2));
    expect((await cliJson(['verify', ids[0] ?? ''], few)).json).toMatchObject({ verified: true, findings: [] });
  });

  it('explains why nothing is removed', async () => {
    const held = await cli(['prune'], env);
    expect(held.code).toBe(0);
    expect(held.stdout).toContain('Nothing is removed now: there is no verified snapshot');
  });

  it('prints what it removes of failed runs while it is held', async () => {
    for (const hours of [2, 1]) {
      const id = await writeRun(folder.store, { state: 'failed', daysAgo: hours / 24 });
      await folder.store.create(`snapshots/${id}/part-00000-00001.jsonl.gz`, Buffer.from('part'));
    }
    const { code, stdout } = await cli(['prune'], env);
    expect(code).toBe(0);
    expect(stdout).toContain('Nothing else is removed now: there is no verified snapshot');
    expect(stdout).toContain('Removed 0 snapshots, orphans: 1 object; 1 object');
  });

  it.each([
    ['keeps nothing', { RETENTION_KEEP_LAST: '0' }, 'no snapshot would be kept'],
    ['is no number', { RETENTION_KEEP_LAST: 'many' }, 'RETENTION_KEEP_LAST'],
    ['is negative', { RETENTION_KEEP_DAILY: '-1' }, 'RETENTION_KEEP_DAILY'],
    ['is not whole', { RETENTION_KEEP_LAST: '1.5' }, 'RETENTION_KEEP_LAST'],
  ])('refuses a policy that %s, and changes nothing', async (_what, variables, words) => {
    await days(folder.store, 2);
    const before = await namesIn(folder.store);
    const { code, json } = await cliJson(['prune'], { ...env, ...variables });
    expect([code, json.error?.code]).toEqual([2, 'config']);
    expect(json.error?.message).toContain(words);
    expect(await namesIn(folder.store)).toEqual(before);
  });
});

describe('replicate on the command line', () => {
  it('fills the second store, which list, verify and prune read with --replica', async () => {
    const second = await folderStore();
    const both = { ...env, RETENTION_KEEP_LAST: '2', BACKUP_REPLICA_STORE: pathToFileURL(second.folder).href };
    const ids = await days(folder.store, 3);
    const dry = await cliJson(['replicate', '--dry-run'], both);
    expect(dry.json).toMatchObject({ copied: 3, error: null });
    expect(await namesIn(second.store)).toEqual([]);
    const { code, json } = await cliJson(['replicate'], both);
    expect([code, json]).toMatchObject([0, { copied: 3, damaged: [], prune: { snapshots: { removed: 1 } } }]);
    const list = await cliJson(['list', '--replica'], both);
    expect((list.json['snapshots'] as { id: string }[]).map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect((await cliJson(['verify', '--replica'], both)).json).toMatchObject({ snapshot: ids[0], verified: true });
    expect(await listed(folder.store)).toEqual(ids);
    await second.remove();
  });

  it('exits with 1 and names the snapshot that lacks a part in the first store', async () => {
    const second = await folderStore();
    const both = { ...env, RETENTION_KEEP_LAST: '2', BACKUP_REPLICA_STORE: pathToFileURL(second.folder).href };
    const ids = await days(folder.store, 2);
    const part = (await namesIn(folder.store, `snapshots/${ids[1] ?? ''}/part-`))[1] ?? '';
    await folder.store.remove(part);
    const { code, json } = await cliJson(['replicate'], both);
    expect([code, json.error?.code, json['damaged']]).toEqual([1, 'damaged', [ids[1]]]);
    await second.remove();
  });

  it.each([
    ['is not set', () => ({}), 'BACKUP_REPLICA_STORE is missing'],
    ['is the first', (store: string) => ({ BACKUP_REPLICA_STORE: `${store}/` }), 'the same place'],
    [
      'lacks one of its keys',
      () => ({ BACKUP_REPLICA_STORE: 's3://other/x', REPLICA_S3_ACCESS_KEY_ID: 'k' }),
      'REPLICA_S3_SECRET_ACCESS_KEY is missing',
    ],
  ])('says so when the second store %s', async (_what, variables, words) => {
    const { code, json } = await cliJson(['list', '--replica'], { ...env, ...variables(env['BACKUP_STORE'] ?? '') });
    expect([code, json.error?.code]).toEqual([2, 'config']);
    expect(json.error?.message).toContain(words);
  });
});
