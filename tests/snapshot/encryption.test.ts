import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ageEncryptor } from '../../lib/crypto/age.js';
import type { Encryptor } from '../../lib/ports/index.js';
import { readVerification, type Verification, writeVerification } from '../../lib/snapshot/statements.js';
import { type Manifest, manifestSchema, ledgerSchema, type Ledger } from '../../lib/snapshot/manifest.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { readableWords } from './encryption-search.js';
import { scanningTwice } from './intercept.js';
import { pathToFileURL } from 'node:url';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import { projectLabel, labelProjects } from '../../lib/snapshot/counts.js';
import { cli, cliJson, type Variables } from '../cli/fixture.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';
import fc from '../support/fast-check.js';
import { AppError } from '../../lib/errors.js';
import { addToLedger, hasEncryptedNames, openLedger } from '../../lib/snapshot/ledger.js';
import { partIndexSchema, type PartIndex } from '../../lib/snapshot/part-index.js';

const run = promisify(execFile);
const KEYS = 60;
const SETTINGS = { partBytes: 2000, pageBytes: 1, inFlight: 1 };

describe('an encrypted snapshot, taken by one who cannot read it', () => {
  let bench: SnapshotBench;
  let identity = '';
  let writer: Encryptor;
  let manifest: Manifest;
  beforeAll(async () => {
    identity = await generateX25519Identity();
    writer = ageEncryptor({ recipients: [await identityToRecipient(identity)], identity: null });
    bench = await openSnapshotBench({ replyBytes: 20_000 });
    const { redis } = bench.database;
    for (let at = 0; at < KEYS - 2; at++) await redis.set(`secretkey:${at}`, `secretvalue ${at} `.repeat(20));
    await redis.sadd(
      'secretkey:big',
      ...Array.from({ length: 900 }, (_, at) => `secretmember ${at} ${'x'.repeat(40)}`),
    );
    await redis.xadd('secretkey:stream', '1-1', 'secretfield', 'secretvalue');
    ({ manifest } = await bench.takeWhole({ encryptor: writer, settings: SETTINGS, redis: scanningTwice(bench, 1) }));
  });
  afterAll(() => bench.stop());

  it('has the right counts and duplicates', async () => {
    expect(manifest.parts.length).toBeGreaterThan(3);
    expect(manifest.parts.every(({ name }) => name.endsWith('.jsonl.gz.age'))).toBe(true);
    expect(manifest).toMatchObject({ counts: { keys: KEYS }, recipients: writer.recipients });
    expect(manifest.doubles).toHaveLength(1);
    const entries = (await bench.verify(manifest.id, { encryptor: reader(identity) })).result;
    expect(entries).toMatchObject({ depth: 'lines', keys: KEYS, findings: [] });
  });

  it('has no key and no value in any object of the store', async () => {
    const words = ['secretkey', 'secretvalue', 'secretmember', 'secretfield'];
    expect(await readableWords(bench.folder.folder, words)).toEqual([]);
  });

  it('is verified byte by byte without an identity, and line by line with it', async () => {
    const without = await bench.verify(manifest.id, { encryptor: writer });
    expect(without).toMatchObject({ state: 'succeeded', result: { depth: 'stored-bytes', findings: [] } });
    const withIt = await bench.verify(manifest.id, { encryptor: reader(identity) });
    expect(withIt).toMatchObject({ state: 'succeeded', result: { depth: 'lines', keys: KEYS, findings: [] } });
  });

  it('keeps the record of every line when only bytes are compared later, unless the bytes are damaged', async () => {
    const { id } = manifest;
    const recorded = () => readVerification(bench.folder.store, id);
    await bench.verify(id, { encryptor: reader(identity) });
    const deep = await recorded();
    expect(deep).toMatchObject({ state: 'verified', depth: 'lines', manifestSha256: expect.any(String) as unknown });
    await bench.verify(id, { encryptor: writer });
    expect(await recorded()).toEqual(deep);
    const found = { code: 'part-contents', subject: 'part', detail: 'line 3 cannot be read' };
    const contents = { ...(deep as Verification), state: 'damaged' as const, depth: 'stored-bytes' as const };
    await writeVerification(bench.folder.store, id, { ...contents, findings: [found] });
    await bench.verify(id, { encryptor: writer });
    expect(await recorded()).toMatchObject({ state: 'damaged', findings: [found] });
    // Bytes that were brought back since, and the verification of another manifest.
    await writeVerification(bench.folder.store, id, { ...contents, findings: [{ ...found, code: 'part-missing' }] });
    await bench.verify(id, { encryptor: writer });
    expect(await recorded()).toMatchObject({ state: 'verified', depth: 'stored-bytes' });
    await writeVerification(bench.folder.store, id, { ...(deep as Verification), manifestSha256: 'another' });
    await bench.verify(id, { encryptor: writer });
    expect(await recorded()).toMatchObject({ state: 'verified', depth: 'stored-bytes' });
  });

  it('distinguishes another identity from damage', async () => {
    const { id } = manifest;
    await bench.verify(id, { encryptor: reader(identity) });
    const other = await bench.verify(id, { encryptor: reader(await generateX25519Identity()) });
    expect(other).toMatchObject({ state: 'failed', error: { code: 'wrong-key' } });
    // Who holds the wrong key has found out nothing about the snapshot.
    const found = await bench.folder.store.read(`snapshots/${id}/verification.json`);
    expect(JSON.parse(found?.body.toString() ?? '{}')).toMatchObject({ state: 'verified', depth: 'lines' });
  });

  it('is not begun where the identity opens none of its parts', async () => {
    const [recipient] = writer.recipients;
    const torn = ageEncryptor({ recipients: [recipient ?? ''], identity: await generateX25519Identity() });
    const taken = await bench.take({ encryptor: torn, settings: SETTINGS });
    expect(taken.run).toMatchObject({ state: 'failed', phase: 'scan', error: { code: 'wrong-key' } });
    expect(taken.run.error?.message).toContain('BACKUP_AGE_RECIPIENTS');
    const stored: string[] = [];
    for await (const { name } of bench.folder.store.list(`snapshots/${taken.id}/`)) stored.push(name);
    expect(stored).toEqual([]);
  });

  it('can be read with age, zcat and jq', async () => {
    const key = join(bench.folder.folder, '..', `${manifest.id}.key`);
    await writeFile(key, `${identity}\n`, { mode: 0o600 });
    const parts = manifest.parts.map(({ name }) => join(bench.folder.folder, 'snapshots', manifest.id, name));
    const pipe = 'key="$1"; shift; for part; do age -d -i "$key" "$part" | zcat; done | jq -r .k; rm "$key"';
    const { stdout } = await run('bash', ['-o', 'pipefail', '-ec', pipe, 'bash', key, ...parts]);
    expect(new Set(stdout.trim().split('\n')).size).toBe(KEYS);
  });

  it('fails verification when a bit was flipped, with and without an identity', async () => {
    const name = manifest.parts[1]?.name ?? '';
    const path = join(bench.folder.folder, 'snapshots', manifest.id, name);
    const whole = await readFile(path);
    const flipped = Buffer.from(whole);
    flipped[whole.length - 1] = (flipped[whole.length - 1] ?? 0) ^ 1;
    await writeFile(path, flipped);
    for (const encryptor of [writer, reader(identity)]) {
      const { result } = await bench.verify(manifest.id, { encryptor });
      expect(result).toMatchObject({
        findings: [{ code: 'part-altered', subject: `snapshots/${manifest.id}/${name}` }],
      });
    }
    await writeFile(path, whole);
  });
});

function reader(identity: string): Encryptor {
  return ageEncryptor({ recipients: [], identity });
}

describe('names of keys on the command line', () => {
  const PROJECT = 'cmwhitefalcon01';
  const HEAVY = `feedback:${PROJECT}:tooheavyitem`;
  const HINT = 'set BACKUP_AGE_IDENTITY to the secret key of one of the recipients';
  const SEALED = /^\(encrypted\)\s+\S/m;

  let database: TestDatabase;
  let server: UpstashRedisStandIn;
  const folders: FolderStore[] = [];
  let identity = '';
  let another = '';

  /** A separate store with one snapshot in it, and what the command said of that. */
  async function taken(keys: Variables): Promise<{ env: Variables; stderr: string; code: number }> {
    const store = await folderStore();
    folders.push(store);
    const env = {
      BACKUP_STORE: pathToFileURL(store.folder).href,
      UPSTASH_REDIS_REST_URL: server.url,
      UPSTASH_REDIS_REST_TOKEN: 'test-token',
    };
    const { stderr, code } = await cli(['backup'], { ...env, ...keys });
    return { env, stderr, code };
  }

  beforeAll(async () => {
    [identity, another] = [await generateX25519Identity(), await generateX25519Identity()];
    database = await startTestDatabase();
    await database.redis.hset(`project:${PROJECT}`, 'id', PROJECT);
    // A single field that is larger than a reply may be cannot be read.
    await database.redis.hset(HEAVY, 'body', 'x'.repeat(40_000));
    server = await startUpstashRedis({ redisUrl: database.url, token: 'test-token', requestLimitBytes: 20_000 });
  });
  afterAll(async () => {
    await server.stop();
    await database.stop();
    for (const folder of folders) await folder.remove();
  });

  it('are shown with the identity; without it only their number and the reasons are shown', async () => {
    const { env, stderr, code } = await taken({ BACKUP_AGE_RECIPIENTS: await identityToRecipient(identity) });
    expect([code, stderr]).toEqual([3, expect.stringContaining('  (encrypted): one element is too large for a reply')]);
    expect(stderr).toContain(HINT);
    expect(stderr).not.toContain('tooheavyitem');

    for (const keys of [{}, { BACKUP_AGE_IDENTITY: another }]) {
      const { stdout } = await cli(['show', 'newest'], { ...env, ...keys });
      expect(stdout).toMatch(SEALED);
      expect(stdout).toContain(HINT);
      expect(stdout).not.toContain(PROJECT);
      expect(stdout).toContain(projectLabel(PROJECT));
    }
    const opened = { ...env, BACKUP_AGE_IDENTITY: identity };
    const { stdout } = await cli(['show', 'newest'], opened);
    expect(stdout).toContain(`${HEAVY}  one element is too large for a reply`);
    expect(stdout).not.toMatch(SEALED);
    expect(stdout).not.toContain(HINT);
    const { json } = await cliJson(['show', 'newest'], opened);
    expect(manifestSchema.parse(json['manifest']).ledger.failed.keys).toMatchObject([{ key: HEAVY }]);
  });

  it('are in the warning of the backup where it has the identity', async () => {
    const recipient = await identityToRecipient(identity);
    const { stderr } = await taken({ BACKUP_AGE_RECIPIENTS: recipient, BACKUP_AGE_IDENTITY: identity });
    expect(stderr).toContain(`  ${HEAVY}: one element is too large for a reply`);
    expect(stderr).not.toContain(HINT);
  });

  it('need no key where nothing is encrypted, not even a well-formed one', async () => {
    const { env, stderr } = await taken({});
    expect(stderr).toContain(`  ${HEAVY}: one element is too large for a reply`);
    const { code, stdout } = await cli(['show', 'newest'], { ...env, BACKUP_AGE_IDENTITY: 'not-an-identity' });
    expect([code, stdout]).toEqual([0, expect.stringContaining(`${HEAVY}  one element is too large`)]);
  });
});

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const list = fc.constantFrom('failed', 'unsupported', 'changedMeanwhile');

function emptyLedger(): Ledger {
  const none = () => ({ count: 0, keys: [] });
  return { saved: 0, expiredMeanwhile: 0, changedMeanwhile: none(), unsupported: none(), failed: none() };
}

async function stored(encryptor: Encryptor, entries: readonly (readonly ['failed', Buffer])[]): Promise<Ledger> {
  let ledger = emptyLedger();
  for (const [name, key] of entries) ledger = await addToLedger(encryptor, ledger, name, key, 'ERR');
  return ledgerSchema.parse(JSON.parse(JSON.stringify(ledger)));
}

describe('an encrypted ledger', () => {
  it('decrypts to the ledger without recipients, for any bytes of the keys', async () => {
    const identity = await generateX25519Identity();
    const recipients = [await identityToRecipient(identity)];
    const [plain, both] = [ageEncryptor({ recipients: [], identity: null }), ageEncryptor({ recipients, identity })];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(list, bytes), { maxLength: 4 }), async (entries) => {
        let [open, sealed] = [emptyLedger(), emptyLedger()];
        for (const [name, key] of entries) {
          open = await addToLedger(plain, open, name, key, 'ERR');
          sealed = await addToLedger(both, sealed, name, key, 'ERR');
        }
        const read = ledgerSchema.parse(JSON.parse(JSON.stringify(sealed)));
        expect([hasEncryptedNames(open), hasEncryptedNames(read)]).toEqual([false, entries.length > 0]);
        expect(await openLedger(both, read)).toEqual(open);
        expect(await openLedger(both, open)).toEqual(open);
      }),
      { numRuns: 30 },
    );
  });

  it('keeps an altered name encrypted, and decrypts the others', async () => {
    const identity = await generateX25519Identity();
    const encryptor = ageEncryptor({ recipients: [await identityToRecipient(identity)], identity });
    const names = ['first', 'second'].map((name) => Buffer.from(name));
    const ledger = await stored(
      encryptor,
      names.map((name) => ['failed', name] as const),
    );
    const altered = { key: { age: Buffer.from('no age file').toString('base64') }, reason: 'ERR' };
    ledger.failed.keys[0] = altered;
    expect((await openLedger(encryptor, ledger)).failed.keys).toEqual([altered, { key: 'second', reason: 'ERR' }]);
  });

  it('throws an error that does not mean that a name cannot be decrypted', async () => {
    const encryptor = ageEncryptor({
      recipients: [await identityToRecipient(await generateX25519Identity())],
      identity: null,
    });
    const ledger = await stored(encryptor, [['failed', Buffer.from('name')]]);
    const broken = {
      ...encryptor,
      canOpen: true,
      open: () => Promise.reject(new AppError('internal', 'x', { hint: '' })),
    };
    await expect(openLedger(broken, ledger)).rejects.toMatchObject({ code: 'internal' });
  });
});

describe('labels of projects', () => {
  const project = fc.option(fc.oneof(fc.constant('__proto__'), fc.string()), { nil: null });
  const table = fc.array(fc.tuple(fc.constant('hash'), fc.constant('feedback'), project));

  it('replace every id beside an encrypted part, and none beside a plain one', () => {
    fc.assert(
      fc.property(table, (rows) => {
        const index: PartIndex = { hashes: 'AA==', lines: 'BB==', kinds: 'CC==', table: rows, voids: [3] };
        expect(labelProjects(index, '')).toBe(index);
        const labelled = partIndexSchema.parse(labelProjects(index, '.age'));
        expect({ ...labelled, table: [] }).toEqual({ ...index, table: [] });
        expect(labelled.table.map(([, , label]) => label)).toEqual(
          rows.map(([, , id]) => (id === null ? null : projectLabel(id))),
        );
        const labels = labelled.table.flatMap(([, , label]) => label ?? []);
        expect(labels.filter((label) => !/^sha256:[0-9a-f]{16}$/.test(label))).toEqual([]);
      }),
    );
  });

  it('are the first 64 bits of SHA-256 in hexadecimal', () => {
    // FIPS 180-2, appendix B.1: the digest of "abc".
    expect(projectLabel('abc')).toBe('sha256:ba7816bf8f01cfea');
  });
});
