import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { cli, cliJson, cliProcess, openStack, type CliStack, type Variables } from './fixture.js';
import { anyProject, redis, stateOf, taken } from './restore-fixture.js';

let stack: CliStack;
let env: Variables;
let url: string;
let folder: string;
let scratch: string;
beforeAll(async () => {
  stack = await openStack();
  url = stack.urls.redis;
  folder = await mkdtemp(join(tmpdir(), 'cli-files-'));
  scratch = await mkdtemp(join(tmpdir(), 'cli-scratch-'));
  env = await stack.alone();
});
afterAll(async () => {
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
});

const DUMP = ['a', 'b'].map((key) => `${JSON.stringify({ key, type: 'string', value: `value of ${key}` })}\n`).join('');
/** As `cliJson`, by the real program, with a folder for temporary files of which `leftovers` says what is there. */
const runApart = (args: readonly string[]) => cliJson(args, { ...env, TMPDIR: scratch }, cliProcess);
const leftovers = () => readdir(scratch);

it('refuses a file dated in the future: keys would live too long', async () => {
  const file = join(folder, 'later.jsonl');
  await writeFile(file, `${JSON.stringify({ key: 'a', type: 'string', value: 'v', ttl: 60 })}\n`);
  for (const taken of [new Date(Date.now() + 86_400_000).toISOString(), '2026-02-30T00:00:00Z']) {
    for (const args of [
      ['import', file],
      ['restore', file, '--from-source', '--dry-run'],
    ])
      expect(await cliJson([...args, '--taken-at', taken], env)).toMatchObject({
        code: 2,
        json: { error: { code: 'usage' } },
      });
  }
});

it('imports a file as a snapshot that is listed as imported, is never latest, and is restored by its id', async () => {
  const before = await taken(env);
  const file = join(folder, 'dump.jsonl');
  await writeFile(file, DUMP);
  const { code, json } = await cliJson(['import', file], env);
  expect(code).toBe(0);
  expect(json).toMatchObject({
    state: 'complete',
    trust: 'imported',
    keys: 2,
    imported: { file: 'dump.jsonl', format: 'json' },
  });
  const id = String(json['snapshot']);
  const { json: listed } = await cliJson(['list'], env);
  expect(listed['snapshots']).toMatchObject([
    { id, purpose: 'imported', trust: 'imported', own: false, verification: 'verified' },
    { id: before, trust: 'trusted' },
  ]);
  expect((await cli(['list'], env)).stdout).toMatch(new RegExp(`^${id} .* complete, imported `, 'm'));
  expect((await cli(['show', id], env)).stdout).toMatch(
    /imported +from the file dump\.jsonl \(json, \d+ B, sha256 [0-9a-f]{64}\)/,
  );
  expect((await cliJson(['show', 'latest'], env)).json['id']).toBe(before);
  expect((await cliJson(['verify', id], env)).json).toMatchObject({ verified: true });

  const unsaid = await cliJson(['restore', id, '--dry-run'], env);
  expect(unsaid).toMatchObject({ code: 2, json: { error: { code: 'not-confirmed' } } });
  const merged = await cliJson(['restore', id, '--mode', 'merge', '--from-source', '--yes'], env);
  expect(merged.json).toMatchObject({ state: 'succeeded', error: null });
  expect(await redis(url, 'GET', 'b')).toBe('value of b');
  expect((await cliJson(['restore', String(merged.json['undo']), '--yes'], env)).code).toBe(0);
  expect(await redis(url, 'GET', 'b')).toBeNull();
});

it('restores a file like a snapshot, with dry run, plan, proof and undo, and stores nothing of it', async () => {
  const file = join(folder, 'some dump.jsonl');
  await writeFile(file, DUMP);
  const before = await stateOf(url);
  const unsaid = await cli(['restore', file, '--dry-run'], env);
  expect(unsaid.code).toBe(2);
  expect(unsaid.stderr).toContain('A file does not prove which database it comes from');
  const dry = await cliJson(['restore', file, '--mode', 'merge', '--from-source', '--dry-run'], env);
  expect(dry.json).toMatchObject({ state: 'succeeded', plan: { total: { write: 2, remove: 0 } } });
  expect(await stateOf(url)).toEqual(before);
  const snapshots = async () => ((await cliJson(['list'], env)).json['snapshots'] as object[]).length;
  const listed = await snapshots();

  const { code, json } = await runApart(['restore', file, '--mode', 'merge', '--from-source', '--yes']);
  expect(code).toBe(0);
  expect(json).toMatchObject({ proof: { total: { equal: 2, missing: 0, different: 0 } } });
  expect(await redis(url, 'GET', 'a')).toBe('value of a');
  // What was there before, and nothing of the file.
  expect(await snapshots()).toBe(listed + 1);
  expect(await cliJson(['verify', String(json['undo'])], env)).toMatchObject({ code: 0, json: { findings: [] } });
  expect((await cli(['restore', String(json['undo']), '--yes'], env)).code).toBe(0);
  expect(await stateOf(url)).toEqual(before);
  expect(await leftovers()).toEqual([]);
});

it('writes nothing of a file with an error in its last line, and names the line', async () => {
  const file = join(folder, 'cut.jsonl');
  await writeFile(file, DUMP.slice(0, -10));
  const before = await stateOf(url);
  const listed = (await cliJson(['list'], env)).json['snapshots'];
  for (const args of [
    ['import', file],
    ['restore', file, '--from-source', '--yes'],
  ]) {
    const { code, json } = await runApart(args);
    expect(code).toBe(1);
    expect(json.error?.message).toBe(`${JSON.stringify(file)}, line 2: it is not JSON. Nothing was written`);
  }
  expect(await stateOf(url)).toEqual(before);
  expect((await cliJson(['list'], env)).json['snapshots']).toEqual(
    (listed as object[]).map((each) => ({ ...each, ageSeconds: expect.any(Number) })),
  );
  expect((await runApart(['restore', join(folder, 'none.jsonl'), '--from-source', '--yes'])).code).toBe(10);
  expect(await leftovers()).toEqual([]);
});

it('finds no project in a file without one', async () => {
  const file = join(folder, 'dump.jsonl');
  const project = await anyProject(url);
  const { code, json } = await cliJson(['restore', file, '--project', project, '--from-source', '--yes'], env);
  expect([code, json.error?.code]).toEqual([10, 'not-found']);
});

it('exports a snapshot to a file and to a pipe, and reports on the standard error', async () => {
  const id = await taken(env);
  const file = join(folder, 'out.jsonl.gz');
  const { code, json, stderr } = await cliJson(['export', 'latest', file], env);
  const { keys } = json as unknown as { keys: number };
  expect(code).toBe(0);
  expect(json).toMatchObject({ snapshot: id, format: 'jsonl', state: 'complete', lacks: 0, error: null });
  expect(stderr).toContain(`Exported ${keys.toLocaleString('en-US')} keys from snapshot ${id} to ${file}`);
  expect((await cliJson(['export', 'latest', file], env)).json.error?.code).toBe('usage');
  const piped = await cli(['export', id, '-', '--key', `project:${await anyProject(url)}`], env);
  expect(piped.stdout.split('\n')).toHaveLength(3);
  expect(piped.stdout).toContain('{"soulcaster-backup":"end","keys":1,"lines":1}');
  expect((await cliJson(['export', id, '-'], env)).json.error?.code).toBe('usage');
  const dry = await cliJson(['restore', file, '--from-source', '--dry-run', '--no-settle'], env);
  expect(dry.json).toMatchObject({ state: 'succeeded', plan: { total: { write: 0, overwrite: 0, remove: 0 } } });
  const part = join(folder, 'p.jsonl');
  await cli(['export', id, part, '--project', await anyProject(url)], env);
  const whole = await cliJson(['restore', part, '--from-source', '--dry-run'], env);
  expect(whole.json.error?.message).toContain('holds only a selection (project ');
  const brought = (await cliJson(['import', part], env)).json['snapshot'] as string;
  const all = ['restore', brought, '--from-source', '--dry-run'];
  const message = expect.stringContaining('"p.jsonl" holds only a selection (project ');
  expect((await cliJson(all, env)).json.error).toMatchObject({ code: 'usage', message });
  expect((await cliJson([...all, '--mode', 'merge'], env)).json).toMatchObject({ state: 'succeeded' });
  expect((await cliJson([...all, '--everything'], env)).json).toMatchObject({ state: 'succeeded' });
});

it('names neither the file nor the selection if snapshots are encrypted', async () => {
  const own: Variables = await stack.alone();
  const project = await anyProject(url);
  await taken(own);
  const file = join(folder, 'ZQname.jsonl');
  await cli(['export', 'latest', file, '--project', project], own);
  const identity = await generateIdentity();
  const keys = { BACKUP_AGE_RECIPIENTS: await identityToRecipient(identity), BACKUP_AGE_IDENTITY: identity };
  const encrypted: Variables & { BACKUP_STORE: string } = {
    ...own,
    ...keys,
    BACKUP_STORE: `${own['BACKUP_STORE'] ?? ''}-encrypted`,
  };
  const id = String((await cliJson(['import', file], encrypted)).json['snapshot']);
  const root = fileURLToPath(encrypted.BACKUP_STORE);
  const objects = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  expect(objects.length).toBeGreaterThan(3);
  for (const { name, parentPath } of objects) {
    const text = (await readFile(join(parentPath, name))).toString('latin1');
    expect([name, text.includes('ZQname'), text.includes(project)]).toEqual([name, false, false]);
  }
  const refused = await cliJson(['restore', id, '--from-source', '--dry-run'], encrypted);
  expect(refused.json.error?.message).toContain(`Snapshot ${id} holds only a selection: replacing`);
  const replaced = async (scope: string, value: string) =>
    (await cliJson(['restore', id, scope, value, '--mode', 'replace', '--from-source', '--dry-run'], encrypted)).json;
  expect(await replaced('--project', project)).toMatchObject({ state: 'succeeded' });
  expect(await replaced('--family', 'feedback')).toMatchObject({ error: { code: 'usage' } });
  expect((await cli(['list'], encrypted)).stdout).toMatch(
    /imported from a file of SHA-256 [0-9a-f]{16}, which holds a/,
  );
});
