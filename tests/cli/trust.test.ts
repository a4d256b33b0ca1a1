import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../../lib/app/connect.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { addMark, unfinishedOfAll } from '../../lib/snapshot/unfinished-marks.js';
import { generateAgeIdentity } from '../../lib/crypto/age.js';
import { generateSigningKey } from '../../lib/crypto/ed25519.js';
import { cli, cliJson, openStack, type CliStack, type Variables } from './fixture.js';
import { redis, taken } from './restore-fixture.js';

let stack: CliStack;
beforeAll(async () => {
  stack = await openStack();
});
afterAll(() => stack.stop());

/** The same server under another name: another database, as far as anybody can tell. */
function elsewhere(env: Variables): Variables {
  const url = env['UPSTASH_REDIS_REST_URL'] ?? '';
  const other = url.includes('127.0.0.1')
    ? url.replace('127.0.0.1', 'localhost')
    : url.replace('localhost', '127.0.0.1');
  return { ...env, UPSTASH_REDIS_REST_URL: other, BACKUP_LABEL: 'staging' };
}

describe('two databases in one store', () => {
  it('are distinguished by every command, until one is adopted', async () => {
    const env: Variables = { ...(await stack.alone()), BACKUP_LABEL: 'production' };
    const other = elsewhere(env);
    const own = await taken(env);
    const foreign = await taken(other);

    const { stdout } = await cli(['snapshots', 'list'], env);
    expect(stdout).toMatch(new RegExp(`^${foreign} .* foreign .*\\(staging\\)$`, 'm'));
    expect(stdout).toMatch(new RegExp(`^${own} .* trusted .*this \\(production\\)$`, 'm'));

    const plan = await cli(['restore', 'latest', '--dry-run'], env);
    expect([plan.code, plan.stdout]).toEqual([0, expect.stringContaining(`snapshot ${own}`)]);
    expect(plan.stdout).toContain(`${new URL(env['UPSTASH_REDIS_REST_URL'] ?? '').host} (production)`);
    expect(plan.stderr).toContain(`${foreign} is foreign`);

    const refused = await cliJson(['restore', foreign, '--dry-run'], env);
    expect([refused.code, refused.json.error?.code]).toEqual([2, 'not-confirmed']);
    expect(refused.json.error?.hint).toContain('--from-source');
    expect((await cliJson(['restore', foreign, '--dry-run', '--from-source'], env)).code).toBe(0);
    expect((await cliJson(['restore', 'newest', '--dry-run'], env)).json.error?.code).toBe('not-confirmed');

    expect((await cli(['snapshots', 'adopt', 'staging', '--reason', 'moved'], env)).code).toBe(0);
    expect((await cliJson(['show', 'latest'], env)).json['id']).toBe(foreign);
    expect((await cli(['snapshots', 'adopt', 'staging', '--withdraw'], env)).code).toBe(0);
    expect((await cliJson(['show', 'latest'], env)).json['id']).toBe(own);

    const none = await cliJson(['verify', 'latest'], { ...env, UPSTASH_REDIS_REST_URL: '' });
    expect([none.code, none.json.error?.code]).toEqual([2, 'usage']);
  });
});

describe('keys that are set and changed', () => {
  it('keep old snapshots listed, trusted, verified and restorable', async () => {
    const plain = { ...(await stack.alone()), BACKUP_SIGNING_KEY: '', BACKUP_SIGNING_PUBLIC_KEY: '' };
    const first = await taken(plain);
    const [old, next] = [generateSigningKey(), generateSigningKey()];
    const signed = { ...plain, BACKUP_SIGNING_KEY: old.privateKey };
    const status = await cliJson(['show', 'latest'], signed);
    expect([status.code, status.json.error?.code]).toEqual([10, 'not-found']);
    expect(status.json.error?.hint).toContain('adopt --unsigned');
    expect((await cli(['snapshots', 'adopt', '--unsigned'], signed)).code).toBe(0);
    expect((await cliJson(['show', 'latest'], signed)).json).toMatchObject({ id: first, trust: 'trusted' });

    const second = await taken(signed);
    const stranger = { ...plain, BACKUP_SIGNING_PUBLIC_KEY: next.publicKey };
    const wrong = await cliJson(['verify', second], stranger);
    expect([wrong.code, wrong.json.error?.code]).toEqual([12, 'wrong-key']);
    expect((await cli(['list'], signed)).stdout).not.toContain('DAMAGED');

    const publicKeys = `${old.publicKey},${next.publicKey}`;
    const changed = { ...plain, BACKUP_SIGNING_KEY: next.privateKey, BACKUP_SIGNING_PUBLIC_KEY: publicKeys };
    expect((await cliJson(['show', 'latest'], changed)).json).toMatchObject({ id: second, trust: 'trusted' });
    expect((await cliJson(['verify', second], changed)).code).toBe(0);
    expect((await cliJson(['restore', 'latest', '--dry-run'], changed)).json['snapshot']).toBe(second);
    const third = await taken(changed);
    expect((await cliJson(['show', 'latest'], changed)).json['id']).toBe(third);
  });
});

describe('a machine whose signature the deployment does not accept', () => {
  it.each([
    ['no key', 0, { BACKUP_SIGNING_KEY: '' }],
    ['another key', 12, { BACKUP_SIGNING_KEY: generateSigningKey().privateKey }],
  ])('verifies a snapshot and changes nothing in the store: %s', async (_, exit, keys) => {
    const own: Variables = { ...(await stack.alone()), BACKUP_SIGNING_KEY: generateSigningKey().privateKey };
    const id = await taken(own);
    const folder = fileURLToPath(own['BACKUP_STORE'] ?? '');
    const before = await contentsOf(folder);
    const verified = await cliJson(['verify', id], { ...own, ...keys });
    expect([verified.code, verified.json['recorded'], verified.json['depth']]).toEqual([exit, false, 'lines']);
    expect(verified.stderr).toContain('the snapshot is signed');
    expect((await cliJson(['restore', id, '--dry-run'], { ...own, ...keys })).code).toBe(exit);
    expect(await contentsOf(folder)).toEqual(before);
    expect((await cliJson(['show', 'latest'], own)).json).toMatchObject({ id, trust: 'trusted' });
    expect((await cliJson(['verify', id], own)).json).toMatchObject({ verified: true, recorded: true });
  });
});

/** The files in a folder store, with their contents. */
async function contentsOf(folder: string): Promise<Record<string, string>> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((each) => each.isFile());
  const read = files.map(async ({ name, parentPath }): Promise<[string, string]> => {
    const path = join(parentPath, name);
    return [relative(folder, path), await readFile(path, 'base64')];
  });
  return Object.fromEntries(await Promise.all(read));
}

it('cancel --database-gone ends the mark of an unfinished restore into a database that is no more', async () => {
  const env: Variables = { ...(await stack.alone()), BACKUP_SIGNING_KEY: '', BACKUP_SIGNING_PUBLIC_KEY: '' };
  const id = await taken(env);
  const { store } = connect(env, ['store']);
  const mark = { run: 'r1', scope: { all: true as const }, since: 'x', kind: 'restore', snapshot: id };
  await addMark(store, sourceOf('standby'), mark);
  await addMark(store, sourceOf(new URL(env['UPSTASH_REDIS_REST_URL'] ?? '').host), { ...mark, run: 'r2' });
  const cancel = (run: string, more: Variables = {}) =>
    cliJson(['cancel', run, '--database-gone'], { ...env, ...more });
  expect((await cancel('r1', { UPSTASH_REDIS_REST_URL: '' })).json.error?.code).toBe('config');
  expect((await cancel('r2')).json.error?.code).toBe('not-found');
  expect((await cancel('r1')).json).toMatchObject({ run: 'r1', markRemoved: true });
  expect((await unfinishedOfAll(store)).map(({ run }) => run)).toEqual(['r2']);
  expect((await cancel('r1')).json.error?.code).toBe('not-found');
});

it('verify reads every line in this process if only this machine has the identity', async () => {
  const { identity, recipient } = await generateAgeIdentity();
  const env: Variables = { ...(await stack.alone()), BACKUP_AGE_RECIPIENTS: recipient };
  const id = await taken(env);
  const file = join(fileURLToPath(env['BACKUP_STORE'] ?? ''), '..', `identity-${id}.txt`);
  await writeFile(file, identity);
  const queue = { QSTASH_TOKEN: 'token', QSTASH_URL: 'http://127.0.0.1:9', PUBLIC_URL: 'https://example.org' };
  const verified = await cliJson(['verify', id], { ...env, ...queue, BACKUP_AGE_IDENTITY_FILE: file });
  expect([verified.code, verified.json['depth']]).toEqual([0, 'lines']);
  await rm(file);
});

describe('a first signing key', () => {
  it('leaves nothing from before without a word: one command brings over runs, pins, the erasure list', async () => {
    const plain = { ...(await stack.alone()), BACKUP_SIGNING_KEY: '', BACKUP_SIGNING_PUBLIC_KEY: '' };
    const id = await taken(plain);
    expect((await cli(['snapshots', 'pin', id, '--reason', 'legal hold'], plain)).code).toBe(0);
    expect((await cli(['forget-project', 'p1', '--reason', 'asked for'], plain)).code).toBe(0);
    const signed = { ...plain, BACKUP_SIGNING_KEY: generateSigningKey().privateKey };
    const refused = await cliJson(['erasures', 'list'], signed);
    expect([refused.code, refused.json.error?.hint]).toEqual([12, expect.stringContaining('adopt --unsigned')]);
    const adopted = await cliJson(['snapshots', 'adopt', '--unsigned', '--reason', 'first key'], signed);
    expect(adopted.code).toBe(0);
    const names = adopted.json['signed'] as string[];
    expect(names).toEqual(expect.arrayContaining(['guard/erasures.json', 'guard/pins.json', `runs/${id}/run.json`]));
    expect((await cliJson(['erasures', 'list'], signed)).json).toMatchObject({ erasures: [{ id: 'p1' }] });
    expect((await cliJson(['snapshots', 'list'], signed)).json['ignoredObjects']).toBeUndefined();
    const status = await cliJson(['status'], signed);
    expect(status.json['ignoredObjects']).toBeUndefined();
    expect((await cliJson(['restore', 'latest', '--dry-run'], signed)).json['snapshot']).toBe(id);
    const again = await cli(['snapshots', 'adopt', '--unsigned', '--reason', 'again'], signed);
    expect(again.stdout).toContain('Nothing to do');
  });

  it('brings over snapshots although others of the chain were removed', async () => {
    const plain: Variables = { ...(await stack.alone()), BACKUP_SIGNING_KEY: '', BACKUP_SIGNING_PUBLIC_KEY: '' };
    const [first, forgotten, lost, last] = [
      await taken(plain),
      await taken(plain),
      await taken(plain),
      await taken(plain),
    ];
    expect((await cli(['snapshots', 'forget', forgotten, '--reason', 'a test'], plain)).code).toBe(0);
    await rm(join(fileURLToPath(plain['BACKUP_STORE'] ?? ''), 'snapshots', lost, 'manifest.json'));
    const signed = { ...plain, BACKUP_SIGNING_KEY: generateSigningKey().privateKey };
    const adopted = await cliJson(['snapshots', 'adopt', '--unsigned', '--reason', 'first key'], signed);
    expect(adopted.json).toMatchObject({
      snapshots: [first, last].map((id) => ({ id, outcome: 'adopted' })),
      signed: expect.arrayContaining([`pruned/${forgotten}.json`]) as unknown,
    });
    expect(adopted.code).toBe(0);
    expect((await cliJson(['status'], signed)).json['ignoredObjects']).toBeUndefined();
    expect((await cliJson(['show', 'latest'], signed)).json).toMatchObject({ id: last, trust: 'trusted' });
    // The snapshot that was forgotten is explained; the one that somebody removed is named.
    const verified = await cliJson(['verify', 'latest'], signed);
    expect(verified.json).toMatchObject({ error: { code: 'chain-broken' }, findings: [{ subject: lost }] });
  });
});

describe('a database that was emptied', () => {
  it('is saved as doubtful, reported, and restored from an earlier snapshot', async () => {
    const env = await stack.alone();
    const good = await taken(env);
    await redis(stack.urls.redis, 'FLUSHALL');
    const doubtful = await cliJson(['backup'], env);
    expect([doubtful.code, doubtful.json.error?.code, doubtful.json['trust']]).toEqual([3, 'doubtful', 'doubtful']);
    const id = String(doubtful.json['snapshot']);
    expect(doubtful.json.error?.hint).toContain(`snapshots accept ${id}`);
    expect((await cli(['list'], env)).stdout).toMatch(new RegExp(`^${id} .* doubtful `, 'm'));
    expect((await cliJson(['status'], env)).json).toMatchObject({
      recoveryPoint: { newestVerified: { id: good }, passedOver: [{ id, state: 'doubtful' }] },
    });
    const restored = await cliJson(['restore', 'latest', '--yes', '--no-reindex'], env);
    expect([restored.code, restored.json['snapshot']]).toEqual([0, good]);
    expect((await cliJson(['backup'], env)).code).toBe(0);
  });
});
