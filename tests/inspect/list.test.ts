import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { listKeys, type ListedKey } from '../../lib/inspect/list.js';
import { findKey } from '../../lib/inspect/records.js';
import { generateWorkspace, load, type Write } from '../../dev/data/index.js';
import { classifyKey } from '../../lib/soulcaster/keys.js';
import { parseSelection, SELECT_ALL } from '../../lib/soulcaster/selection.js';
import { fromText, type Text } from '../../lib/soulcaster/text.js';
import { anyDatabaseOf } from '../restore/any-database.js';
import { dumpDatabase, openPlain } from '../support/plain-dump.js';
import { batch } from '../support/redis-calls.js';
import { all, countingStore, openInspectBench, PARTS, type InspectBench } from './bench.js';

let bench: InspectBench;
beforeAll(async () => {
  bench = await openInspectBench();
});
afterAll(() => bench.stop());

const nameOf = (key: Text): string => fromText(key).toString('latin1');

describe('the keys of a snapshot', () => {
  it('are those of the database, whatever it holds', async () => {
    const plain = openPlain(bench.database.url);
    const property = fc.asyncProperty(anyDatabaseOf({ fieldExpiry: false }), async ({ commands }) => {
      await bench.database.redis.flushdb();
      await batch(bench.database.redis, commands);
      const dump = await dumpDatabase(plain);
      const { manifest } = await bench.takeWhole({ settings: PARTS });
      const snapshot = await bench.look(manifest.id);
      const listed = await all(listKeys(snapshot, SELECT_ALL));
      const rows = listed.map(({ key, type, expiresAt }) => [
        nameOf(key),
        type,
        expiresAt === null ? null : String(expiresAt),
      ]);
      const wanted = [...dump].map(([key, { type, expiresAt }]) => [key, type, expiresAt]);
      expect(rows.sort()).toEqual(wanted.sort());
      for (const { key, elements } of listed.slice(0, 5)) {
        const counted = await countIn(nameOf(key));
        expect([nameOf(key), elements]).toEqual([nameOf(key), counted]);
        expect((await findKey(snapshot, key))?.first.k).toEqual(key);
      }
    });
    await fc.assert(property, { numRuns: 15 });
    plain.disconnect();
  });

  async function countIn(key: string): Promise<number> {
    const bytes = Buffer.from(key, 'latin1');
    const { redis } = bench.database;
    switch (await redis.type(bytes)) {
      case 'hash':
        return redis.hlen(bytes);
      case 'list':
        return redis.llen(bytes);
      case 'set':
        return redis.scard(bytes);
      case 'zset':
        return redis.zcard(bytes);
      case 'stream':
        return redis.xlen(bytes);
      default:
        return 1;
    }
  }
});

describe('a part of a workspace', () => {
  let writes: Write[];
  let id = '';
  beforeAll(async () => {
    await bench.database.redis.flushdb();
    writes = [
      ...generateWorkspace({ projects: 3, users: 2, items: 60, seed: 5, now: Date.parse('2090-01-01T00:00:00Z') }),
    ];
    await load(bench.database.url, writes);
    // Several lines and parts, in the way of every reader.
    await bench.database.redis.sadd('big', ...Array.from({ length: 3_000 }, (_, at) => `member ${at} of a big set`));
    id = (await bench.takeWhole({ settings: { ...PARTS, partBytes: 30_000 } })).id;
  });

  const listed = async (input: Parameters<typeof parseSelection>[0]): Promise<ListedKey[]> =>
    all(listKeys(await bench.look(id), parseSelection(input)));
  const keysOf = (project: string | null): string[] =>
    writes.flatMap(({ key, project: owner, creates }) => (creates && owner === project ? [String(key)] : []));

  it('is listed by project, including keys that belong to it without naming it', async () => {
    const [project = ''] = writes.flatMap(({ project: owner }) => (owner === null ? [] : [owner]));
    const found = (await listed({ project: [project] })).map(({ key }) => nameOf(key));
    const own = keysOf(project).filter((key) => classifyKey(key).family !== 'cluster-lock');
    expect(found.filter((key) => !key.startsWith('user:projects:')).sort()).toEqual(own.sort());
    expect(found.filter((key) => key.startsWith('user:projects:'))).toHaveLength(1);
    expect(found.some((key) => key.startsWith('job:'))).toBe(true);
  });

  it('is listed by family, by pattern and by name', async () => {
    const jobs = (await listed({ family: ['job'] })).map(({ key }) => key);
    expect(jobs.length).toBeGreaterThan(3);
    expect(jobs.every((key) => /^job:[^:]+$/.test(nameOf(key)))).toBe(true);
    const [job = ''] = jobs.map(nameOf);
    expect((await listed({ match: [`${job.slice(0, -2)}??`] })).map(({ key }) => key)).toContain(job);
    expect((await listed({ key: [job, 'nobody'], family: ['job'] })).map(({ key }) => key)).toEqual([job]);
    const [big] = await listed({ key: ['big'] });
    expect(big).toMatchObject({ type: 'set', family: 'other', project: null, elements: 3_000, expiresAt: null });
    expect(big?.bytes).toBe(Array.from({ length: 3_000 }, (_, at) => `member ${at} of a big set`).join('').length);
  });

  it('is found by name by reading one part, and without the index all parts', async () => {
    const { manifest } = await bench.look(id);
    expect(manifest.parts.length).toBeGreaterThan(6);
    const names = writes.flatMap(({ creates, key }, at) => (creates && at % 25 === 0 ? [String(key)] : []));
    for (const name of names) {
      const counting = countingStore(bench.folder.store);
      const record = await findKey(await bench.look(id, { store: counting.store }), name);
      expect(record?.first.k).toBe(name);
      expect([counting.parts.length, counting.indexes.length]).toEqual([1, 1]);
    }
    const nobody = countingStore(bench.folder.store);
    expect(await findKey(await bench.look(id, { store: nobody.store }), 'nobody')).toBeNull();
    expect(nobody.parts).toEqual([]);

    const old = countingStore(bench.folder.store);
    const without = await bench.look(id, { store: old.store });
    const rest = { ...without.manifest, keyIndex: undefined };
    expect(await findKey({ ...without, manifest: rest }, 'nobody')).toBeNull();
    expect(old.parts.length).toBeGreaterThanOrEqual(manifest.parts.length);
  });

  it('is read from an encrypted snapshot with the identity alone', async () => {
    const identity = await generateX25519Identity();
    const writer = ageEncryptor({ recipients: [await identityToRecipient(identity)], identity: null });
    const reader = ageEncryptor({ recipients: [], identity });
    const sealed = (await bench.takeWhole({ settings: { ...PARTS, partBytes: 30_000 }, encryptor: writer })).id;
    await expect(bench.look(sealed, { encryptor: writer })).rejects.toMatchObject({ code: 'wrong-key' });
    const counting = countingStore(bench.folder.store);
    const snapshot = await bench.look(sealed, { store: counting.store, encryptor: reader });
    const [name = ''] = keysOf(null);
    expect((await findKey(snapshot, name))?.first.k).toBe(name);
    expect([counting.parts.length, counting.indexes.length]).toEqual([1, 1]);
    const open = (await listed({})).map(({ key }) => nameOf(key));
    expect((await all(listKeys(snapshot, SELECT_ALL))).map(({ key }) => nameOf(key)).sort()).toEqual(open.sort());
  });
});
