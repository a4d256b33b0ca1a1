import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ageEncryptor } from '../../lib/crypto/age.js';
import type { Encryptor } from '../../lib/ports/index.js';
import type { Manifest } from '../../lib/snapshot/manifest.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { readableWords } from './encryption-search.js';
import { scanningTwice } from './intercept.js';

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

  it('distinguishes another identity from damage', async () => {
    const { id } = manifest;
    await bench.verify(id, { encryptor: reader(identity) });
    const other = await bench.verify(id, { encryptor: reader(await generateX25519Identity()) });
    expect(other).toMatchObject({ state: 'failed', error: { code: 'wrong-key' } });
    // Who holds the wrong key has found out nothing about the snapshot.
    const found = await bench.folder.store.read(`snapshots/${id}/verification.json`);
    expect(JSON.parse(found?.body.toString() ?? '{}')).toMatchObject({ state: 'verified', depth: 'lines' });
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
