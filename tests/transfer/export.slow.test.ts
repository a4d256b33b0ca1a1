import { execFile, execFileSync } from 'node:child_process';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Decrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import fc, { cases } from '../support/fast-check.js';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { loadWorkspace } from '../../dev/data/index.js';
import type { Manifest } from '../../lib/snapshot/manifest.js';
import type { Encryptor, ObjectStore } from '../../lib/ports/index.js';
import { parseSelection, SELECT_ALL, type Selection } from '../../lib/soulcaster/selection.js';
import type { Scope } from '../../lib/restore/model.js';
import { exportContent } from '../../lib/transfer/export.js';
import type { ExportFormat } from '../../lib/transfer/formats.js';
import { finalizeStaged } from '../../lib/transfer/publish.js';
import { writeOutFile } from '../../lib/transfer/write/out-file.js';
import { anyDatabaseOf } from '../restore/any-database.js';
import { describeEngines } from '../support/describe-engines.js';
import { batch } from '../support/redis-calls.js';
import { dumpDatabase, openPlain } from '../support/plain-dump.js';
import { NOW } from '../support/restore-bench.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { openTransferBench, PLAIN, type TransferBench } from './transfer-bench.js';

async function plain(bench: TransferBench) {
  const redis = openPlain(bench.database.url);
  try {
    return Object.fromEntries(await dumpDatabase(redis));
  } finally {
    redis.disconnect();
  }
}

let files = 0;

interface ExportAsk {
  readonly name: string;
  readonly selection: Selection;
  readonly encryptor: Encryptor;
  readonly force: boolean;
  readonly store: ObjectStore;
}

/** Exports a snapshot as the command does; returns the path. */
async function exported(
  bench: TransferBench,
  manifest: Manifest,
  format: ExportFormat,
  {
    name = `${++files}.${format}`,
    selection = SELECT_ALL,
    encryptor = PLAIN,
    force = false,
    store = bench.folder.store,
  }: Partial<ExportAsk> = {},
): Promise<string> {
  const path = join(bench.files, name);
  const snapshot = { manifest, store, encryptor: PLAIN };
  const content = exportContent(snapshot, selection, format, { keys: 0, lines: 0 });
  await writeOutFile(path, content, { force, encryptor, signal: new AbortController().signal });
  return path;
}

/** Feeds a file to redis-cli --pipe and gives what it says. */
function pipe(socket: string, content: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile('redis-cli', ['-s', socket, '--pipe'], (error, stdout, stderr) => {
      if (error === null) resolve(stdout + stderr);
      else reject(new Error(`${error.message} ${stdout} ${stderr}`));
    });
    child.stdin?.end(content);
  });
}

await describeEngines('an export of any database', ({ fieldExpiry, program }) => {
  let bench: TransferBench;
  beforeAll(async () => {
    bench = await openTransferBench(program);
  });
  afterAll(() => bench.stop());

  it('restores the same database, by import and by redis-cli --pipe', async () => {
    const any = anyDatabaseOf({ fieldExpiry });
    await fc.assert(
      fc.asyncProperty(any, any, async ({ commands }, other) => {
        const { redis } = bench.database;
        await redis.flushall();
        await batch(redis, commands);
        const before = await plain(bench);
        const manifest = await bench.snapshot({ settings: { partBytes: 300 } });
        await redis.flushall();
        await batch(redis, other.commands);
        const path = await exported(bench, manifest, 'jsonl', { name: `${++files}.jsonl.gz` });
        expect(await bench.restoreFile(path)).toMatchObject({ state: 'succeeded', error: null });
        expect(await plain(bench)).toEqual(before);

        await redis.flushall();
        const resp = await readFile(await exported(bench, manifest, 'resp'));
        // Twice: what is there is replaced.
        for (let round = 0; round < 2; round++) {
          if (resp.length > 0) expect(await pipe(bench.database.url, resp)).toContain('errors: 0');
          expect(await plain(bench)).toEqual(before);
        }
      }),
      { numRuns: cases(8) },
    );
  });
});

describe('an export', () => {
  let bench: TransferBench;
  beforeAll(async () => {
    bench = await openTransferBench();
  });
  beforeEach(() => bench.database.redis.flushall());
  afterAll(() => bench.stop());

  it('for Upstash is bodies of /pipeline that make the same database', async () => {
    const server = await startUpstashRedis({ redisUrl: bench.database.url, token: 'test' });
    try {
      await fc.assert(
        fc.asyncProperty(anyDatabaseOf({ fieldExpiry: false }), async ({ commands }) => {
          const { redis } = bench.database;
          await redis.flushall();
          await batch(redis, commands);
          const before = await plain(bench);
          const manifest = await bench.snapshot();
          await redis.flushall();
          const content = await readFile(await exported(bench, manifest, 'upstash'), 'utf8');
          for (const body of content.split('\n').slice(0, -1)) {
            const headers = { authorization: 'Bearer test' };
            const answer = await fetch(`${server.url}/pipeline`, { method: 'POST', headers, body });
            expect(await answer.json()).not.toContainEqual({ error: expect.anything() });
          }
          expect(await plain(bench)).toEqual(before);
        }),
        { numRuns: cases(6) },
      );
    } finally {
      await server.stop();
    }
  });

  it('of a large value is complete in every format', async () => {
    const { redis } = bench.database;
    await redis.set('text', 'né€👋'.repeat(150_000));
    await redis.rpush('list', ...Array.from({ length: 2500 }, (_, at) => `${at} ${'x'.repeat(300)}`));
    const before = await plain(bench);
    const manifest = await bench.snapshot();
    for (const format of ['jsonl', 'resp'] as const) {
      const path = await exported(bench, manifest, format);
      await redis.flushall();
      await bench.restoreFile(path);
      expect(await plain(bench)).toEqual(before);
    }
  });

  it("of a project brings that project back, with its jobs and its place in the user's list, and no more", async () => {
    const { redis, url } = bench.database;
    await loadWorkspace({ redisUrl: url, projects: 2, items: 12, seed: 9, now: NOW, locked: false });
    // The second is the user's own project: the user's record and the other project name its id as well.
    const [other = '', project = ''] = (await redis.keys('project:*'))
      .map((key) => key.slice('project:'.length))
      .sort();
    expect(await redis.exists(`user:${project}`)).toBe(1);
    await redis.hset('job:j1', { project_id: project, status: 'succeeded' });
    await redis.hset('job:j2', { project_id: other, status: 'succeeded' });
    const before = await plain(bench);
    const manifest = await bench.snapshot();
    const selection = parseSelection({ project: [project] });
    const path = await exported(bench, manifest, 'jsonl', { selection });
    const content = await readFile(path, 'utf8');
    expect([content.includes(`"project:${other}"`), content.includes('job:j1'), content.includes('job:j2')]).toEqual([
      false,
      true,
      false,
    ]);
    await redis.flushall();
    await bench.restoreFile(path, {}, { settle: false, everything: true });
    const alone = await plain(bench);
    const owned = Object.entries(before).filter(([key, { value }]) =>
      key.startsWith('job:') ? value.includes(`"${project}"`) : key.includes(project) && key !== `user:${project}`,
    );
    expect(Object.keys(alone)).toEqual(expect.arrayContaining(owned.map(([key]) => key)));
    for (const [key, entry] of Object.entries(alone))
      if (!key.startsWith('user:projects:')) expect(entry).toEqual(before[key]);
    // The commands leave the other members of the shared list.
    await redis.flushall();
    await batch(redis, [['SADD', Object.keys(alone).find((key) => key.startsWith('user:projects:')) ?? '', other]]);
    await pipe(url, await readFile(await exported(bench, manifest, 'resp', { selection })));
    const [list = ''] = await redis.keys('user:projects:*');
    expect((await redis.smembers(list)).sort()).toEqual([project, other].sort());
  });

  it('is compressed and encrypted according to its name, and can be read back', async () => {
    const { redis } = bench.database;
    await redis.mset('a', '1', 'b', '2');
    const identity = await generateIdentity();
    const encryptor = ageEncryptor({ recipients: [await identityToRecipient(identity)], identity });
    const manifest = await bench.snapshot();
    const path = await exported(bench, manifest, 'jsonl', { name: 'sealed.jsonl.gz.age', encryptor });
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    const content = gunzipSync(await decrypter.decrypt(await readFile(path))).toString();
    expect(content.split('\n').map((line) => (line === '' ? '' : Object.keys(JSON.parse(line) as object)[0]))).toEqual([
      'soulcaster-backup',
      'k',
      'k',
      'soulcaster-backup',
      '',
    ]);
    const staged = await bench.staged(path, {}, encryptor);
    await staged.store.discard();
    expect(staged.body).toMatchObject({ counts: { keys: 2 }, imported: { layers: ['age', 'gzip'], format: 'export' } });
    await expect(bench.staged(path)).rejects.toMatchObject({ code: 'wrong-key' });
    const cut = await readFile(path);
    await writeFile(path, cut.subarray(0, -1));
    await expect(bench.staged(path, {}, encryptor)).rejects.toMatchObject({ code: 'damaged' });
  });

  it('of a safety snapshot of a project is not an export of everything', async () => {
    const manifest = await bench.snapshot();
    const path = await exported(bench, { ...manifest, partial: true }, 'jsonl', { name: 'saved.jsonl' });
    await expect(bench.restoreFile(path)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('holds only a selection (of a snapshot that is a part itself)') as unknown,
    });
  });

  it('of a selection replaces nothing beyond it', async () => {
    const { redis } = bench.database;
    for (const project of ['p1', 'p2'])
      await redis.pipeline().hset(`project:${project}`, 'id', project).set(`job:${project}`, 'j').exec();
    await redis.mset('feedback:p1:i', '1', 'feedback:p2:i', '2', 'note', '3');
    const selection = parseSelection({ project: ['p1'], family: ['feedback', 'project'] });
    const path = await exported(bench, await bench.snapshot(), 'jsonl', { selection });
    const whole = await plain(bench);
    const some = { projects: [], families: [], matches: [], keys: [] };
    const refuse = (file: string, scope: Scope) =>
      expect(bench.restoreFile(file, {}, { scope, settle: false })).rejects.toMatchObject({
        code: 'usage',
        message: expect.stringContaining('could remove keys that it does not hold. Nothing was written') as unknown,
      });
    await refuse(path, { project: 'p1' });
    await refuse(path, { ...some, families: ['feedback'] });
    await refuse(path, { ...some, projects: ['p1'], matches: ['feedback:*'] });
    await refuse(path, { items: [{ project: 'p1', id: 'i' }] });
    expect(await plain(bench)).toEqual(whole);

    await redis.mset('feedback:p1:i', 'changed', 'feedback:p1:added', 'goes', 'feedback:p2:i', 'stays');
    const scope = { ...some, projects: ['p1'], families: ['feedback'] };
    const run = await bench.restoreFile(path, {}, { scope, settle: false });
    expect(run).toMatchObject({ state: 'succeeded', result: { removed: 1, written: { written: 1 } } });
    expect(await redis.mget('feedback:p1:i', 'feedback:p1:added', 'feedback:p2:i')).toEqual(['1', null, 'stays']);

    // An export of the import says so as well, whatever is selected of it.
    const brought = await bench.staged(path);
    const manifest = await finalizeStaged({ clock: bench.clock, signer: UNSIGNED }, brought);
    const again = await exported(bench, manifest, 'jsonl', { store: brought.store });
    await brought.store.discard();
    await refuse(again, scope);
    await expect(bench.restoreFile(again, {}, { settle: false })).rejects.toMatchObject({ code: 'usage' });
  });

  it('never replaces a file, and is never left half written', async () => {
    await bench.database.redis.set('a', '1');
    const manifest = await bench.snapshot();
    const path = await exported(bench, manifest, 'jsonl', { name: 'there.jsonl' });
    const before = await readFile(path);
    await expect(exported(bench, manifest, 'resp', { name: 'there.jsonl' })).rejects.toMatchObject({ code: 'usage' });
    expect(await readFile(path)).toEqual(before);
    await exported(bench, manifest, 'resp', { name: 'there.jsonl', force: true });
    execFileSync('mkfifo', [join(bench.files, 'pipe')]);
    await expect(exported(bench, manifest, 'resp', { name: 'pipe', force: true })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('is not a regular file. Nothing was written'),
    });
    expect((await stat(join(bench.files, 'pipe'))).isFIFO()).toBe(true);
    expect(await readFile(path)).not.toEqual(before);
    const selection = parseSelection({ key: ['none'] });
    await expect(exported(bench, manifest, 'jsonl', { name: 'none.jsonl', selection })).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('holds no key of key none'),
    });
    const broken = {
      ...manifest,
      parts: manifest.parts.map((part) => ({ ...part, stored: { ...part.stored, sha256: '0' } })),
    };
    await expect(exported(bench, broken, 'jsonl', { name: 'broken.jsonl' })).rejects.toMatchObject({ code: 'damaged' });
    const left = (await readdir(bench.files)).filter((name) => name.includes('.part') || /none|broken/.test(name));
    expect(left).toEqual([]);
  });

  it('says what its snapshot lacked, and so does its import', async () => {
    await bench.database.redis.set('a', '1');
    const manifest = await bench.snapshot();
    const { ledger } = manifest;
    const lacking = {
      ...manifest,
      state: 'incomplete' as const,
      ledger: {
        ...ledger,
        failed: { count: 2, keys: [] },
        unsupported: { count: 3, keys: [], types: { vectorset: 3 } },
      },
    };
    const staged = await bench.staged(await exported(bench, lacking, 'jsonl'));
    await staged.store.discard();
    expect(staged.body).toMatchObject({
      state: 'incomplete',
      ledger: { failed: { count: 2 }, unsupported: { count: 3, types: { vectorset: 3 } } },
    });
  });
});
