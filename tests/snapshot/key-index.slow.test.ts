import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import { silentLog } from '../../lib/app/in-process.js';
import { replicate } from '../../lib/retention/replica/replicate.js';
import type { Encryptor } from '../../lib/ports/index.js';
import { catalogEntry } from '../../lib/snapshot/catalog.js';
import { loadKeyIndex } from '../../lib/snapshot/key-index.js';
import { signManifest, type Manifest } from '../../lib/snapshot/manifest.js';
import { folderStore } from '../support/folder-store.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { scanningTwice, ticking } from './intercept.js';

const KEYS = 1_500;
const SETTINGS = { partBytes: 12_000, pageBytes: 2_000, inFlight: 1 };
const OPEN = ageEncryptor({ recipients: [], identity: null });

let bench: SnapshotBench;
let identity = '';
let writer: Encryptor;
beforeAll(async () => {
  identity = await generateX25519Identity();
  writer = ageEncryptor({ recipients: [await identityToRecipient(identity)], identity: null });
  bench = await openSnapshotBench({ replyBytes: 20_000 });
  const { redis } = bench.database;
  await redis.mset(Array.from({ length: KEYS }, (_, at) => [`secretkey:${at}`, `value ${at} `.repeat(2)]).flat());
  await redis.set(Buffer.from([0x6b, 0xff]), 'no text');
  await redis.set('', 'no name');
  await redis.sadd('secretkey:big', ...Array.from({ length: 900 }, (_, at) => `member ${at} ${'x'.repeat(40)}`));
});
afterAll(() => bench.stop());

const pathOf = (manifest: Manifest, file = manifest.keyIndex?.name ?? ''): string =>
  join(bench.folder.folder, 'snapshots', manifest.id, file);

/** The part in which each key begins and counts, read by hand. */
async function placesOf(manifest: Manifest): Promise<Map<string, number>> {
  const passed = new Set(manifest.doubles.map(({ line, part }) => `${part} ${line}`));
  const places = new Map<string, number>();
  for (const [part, { name }] of manifest.parts.entries()) {
    const lines = gunzipSync(await readFile(pathOf(manifest, name)))
      .toString()
      .trimEnd()
      .split('\n');
    for (const [number, text] of lines.entries()) {
      const { i, k } = JSON.parse(text) as { i?: number; k: string | { b: string } };
      if ((i ?? 0) > 0 || passed.has(`${part} ${number}`)) continue;
      places.set(typeof k === 'string' ? k : k.b, part);
    }
  }
  return places;
}

describe('the index of a snapshot’s keys', () => {
  it('names the one part that a key begins in and counts', async () => {
    const { manifest } = await bench.takeWhole({ settings: SETTINGS, redis: scanningTwice(bench, 2) });
    expect(manifest.parts.length).toBeGreaterThan(5);
    expect(manifest.doubles.length).toBeGreaterThan(0);
    const index = await loadKeyIndex({ store: bench.folder.store, encryptor: OPEN }, manifest);
    const places = await placesOf(manifest);
    expect(places.size).toBe(KEYS + 3);
    for (const [key, part] of places) {
      const bytes = key === 'a/8=' ? Buffer.from([0x6b, 0xff]) : Buffer.from(key);
      expect([key, index?.partsOf(bytes)]).toEqual([key, [part]]);
    }
    const strangers = Array.from({ length: 1_000 }, (_, at) => index?.partsOf(Buffer.from(`stranger ${at}`)) ?? []);
    expect(strangers.flat()).toEqual([]);
    expect((await bench.verify(manifest.id)).state).toBe('succeeded');
  });

  it('is there once however many attempts the snapshot took', async () => {
    const { attempts, manifest } = await bench.takeWhole({ settings: SETTINGS, redis: ticking(bench), attemptMs: 20 });
    expect(attempts).toBeGreaterThan(5);
    expect(manifest.keyIndex?.name).toMatch(/^keys-\d{5}\.bin$/);
    const index = await loadKeyIndex({ store: bench.folder.store, encryptor: OPEN }, manifest);
    for (const [key, part] of [...(await placesOf(manifest))].slice(0, 200)) {
      if (key !== 'a/8=') expect(index?.partsOf(Buffer.from(key))).toEqual([part]);
    }
  });

  it('is encrypted as the parts are, and checked as far as it can be read', async () => {
    const reader = ageEncryptor({ recipients: [], identity });
    const { manifest } = await bench.takeWhole({ encryptor: writer, settings: SETTINGS });
    const { store } = bench.folder;
    expect((await readFile(pathOf(manifest))).subarray(0, 21).toString()).toBe('age-encryption.org/v1');
    expect(await loadKeyIndex({ store, encryptor: writer }, manifest)).toBeNull();
    const index = await loadKeyIndex({ store, encryptor: reader }, manifest);
    expect(index?.partsOf(Buffer.from('secretkey:7'))).toHaveLength(1);
    expect((await bench.verify(manifest.id, { encryptor: reader })).state).toBe('succeeded');
    await writeFile(pathOf(manifest), await writer.encrypt(Buffer.from('another')));
    for (const encryptor of [writer, reader]) {
      const run = await bench.verify(manifest.id, { encryptor });
      expect(run).toMatchObject({ state: 'failed', result: { findings: [{ code: 'index-wrong' }] } });
    }
    expect(await loadKeyIndex({ store, encryptor: reader }, manifest)).toBeNull();
  });

  it('that is gone, altered or of other keys is reported, and does not make the snapshot damaged', async () => {
    const { manifest } = await bench.takeWhole({ settings: SETTINGS });
    const { store } = bench.folder;
    const whole = await readFile(pathOf(manifest));
    const expectWrong = async (what: string): Promise<void> => {
      const { error, state } = await bench.verify(manifest.id);
      expect([state, error?.code]).toEqual(['failed', 'damaged']);
      expect(error?.message).toContain('contents of');
      expect(error?.message).toContain(what);
      expect((await catalogEntry(store, manifest.id))?.verification?.state).toBe('verified');
    };
    await rm(pathOf(manifest));
    await expectWrong('not in the store');
    await writeFile(pathOf(manifest), whole.subarray(4));
    await expectWrong('does not match its hash in the manifest');
    expect(await loadKeyIndex({ store, encryptor: OPEN }, manifest)).toBeNull();

    // One that fits its hash, by whoever can write manifests: the keys of the first two parts that have any the other way
    // round. A part that only continues a large value has none.
    const [first = 0, second = 0] = manifest.parts.flatMap(({ keys }) => (keys === 0 ? [] : [4 * keys]));
    expect(second).toBeGreaterThan(0);
    const forged = Buffer.concat([
      whole.subarray(first, first + second),
      whole.subarray(0, first),
      whole.subarray(first + second),
    ]);
    await writeFile(pathOf(manifest, 'keys-00099.bin'), forged);
    const stored = { bytes: forged.length, sha256: createHash('sha256').update(forged).digest('hex') };
    const { seal, ...body } = { ...manifest, keyIndex: { name: 'keys-00099.bin', stored } };
    expect(seal.signature).toBeNull();
    await writeFile(
      pathOf(manifest, 'manifest.json'),
      signManifest(body, ed25519Signer({ privateKey: null, publicKey: null })),
    );
    const part = manifest.parts.findIndex(({ keys }) => keys > 0);
    await expectWrong(`does not match the keys of part ${part}`);
    await rm(join(bench.folder.folder, 'snapshots', manifest.id), { recursive: true });
  });

  it('is copied with the snapshot into the second store, and a faulty one does not stop the copy', async () => {
    const other = await folderStore();
    try {
      const { manifest } = await bench.takeWhole({ settings: SETTINGS });
      const { manifest: bare } = await bench.takeWhole({ settings: SETTINGS });
      await writeFile(pathOf(bare), 'altered');
      const ports = {
        clock: bench.clock,
        log: silentLog(),
        own: null,
        signer: ed25519Signer({ privateKey: null, publicKey: null }),
      };
      const copied = await replicate({ ...ports, store: bench.folder.store, replica: other.store }, { dryRun: false });
      expect(copied.damaged).toEqual([]);
      expect(await loadKeyIndex({ store: other.store, encryptor: OPEN }, manifest)).not.toBeNull();
      expect((await catalogEntry(other.store, bare.id))?.manifest?.id).toBe(bare.id);
      expect(await loadKeyIndex({ store: other.store, encryptor: OPEN }, bare)).toBeNull();
    } finally {
      await other.remove();
    }
  });
});
