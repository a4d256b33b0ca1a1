import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { trustContext } from '../../lib/snapshot/trust.js';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import { findKeys, selectKey, type Query } from '../../lib/inspect/find.js';
import { openAll, searchSnapshots } from '../../lib/inspect/history.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { SELECT_ALL } from '../../lib/soulcaster/selection.js';
import { all, countingStore, openInspectBench, PARTS, type InspectBench } from './bench.js';

let bench: InspectBench;
const ids: string[] = [];
beforeAll(async () => {
  bench = await openInspectBench();
  const { redis } = bench.database;
  const take = async (): Promise<void> => void ids.push((await bench.takeWhole({ settings: PARTS })).id);
  await redis.mset(Array.from({ length: 200 }, (_, at) => [`filler:${at}`, 'nothing of interest '.repeat(3)]).flat());
  await redis.hset('project:p1', { id: 'p1', name: 'Umbrella Labs', user_id: 'u1' });
  await take();
  await redis.hset('feedback:p1:f1', {
    id: 'f1',
    title: 'The Login fails',
    body: `${'x'.repeat(100)} since UPDATE 7 it fails`,
  });
  await redis.zadd('feedback:created:p1', 1, 'f1');
  // In pieces of 500 bytes, cut within the words and within a character.
  await redis.set('long', `${'é'.repeat(245)}-the words that are cut ${'é'.repeat(2_000)} the last ones`);
  await redis.set('bytes', Buffer.concat([Buffer.from([0xff]), Buffer.from('words among bytes')]));
  await redis.rpush('job:j1:logs', 'line one', 'it fails here');
  await take();
  await redis.hset('feedback:p1:f1', 'body', 'mended since');
  await take();
  await redis.del('feedback:p1:f1', 'feedback:created:p1');
  await take();
});
afterAll(() => bench.stop());

const find = async (at: number, query: Query) => all(findKeys(await bench.look(ids[at] ?? ''), query));
const text = (words: string): Query => ({ selection: SELECT_ALL, text: words });

describe('a snapshot that cannot be read to its end', () => {
  const ports = () => ({
    clock: bench.clock,
    encryptor: ageEncryptor({ recipients: [], identity: null }),
    signer: ed25519Signer({ privateKey: null, publicKey: null }),
    store: bench.folder.store,
  });
  const spoilt = (damaged: readonly (string | undefined)[]) => ({
    ...bench.folder.store,
    async read(name: string) {
      const found = await bench.folder.store.read(name);
      const isDamaged = name.includes('/part-') && damaged.some((id) => name.includes(id ?? '?'));
      return found === null || !isDamaged ? found : { ...found, body: found.body.subarray(1) };
    },
  });
  const searched = async (damaged: readonly (string | undefined)[], query: Query) => {
    const store = spoilt(damaged);
    const trust = await trustContext({ ...ports(), store }, sourceOf(bench.port.host));
    return searchSnapshots((await openAll({ ...ports(), store }, trust)).opened, query, { limit: 100 });
  };

  it('is reported as skipped, does not stop the search of others, and proves no key gone', async () => {
    const found = await searched([ids[2]], text('the words that are cut'));
    expect(found.searched.map(({ id }) => id)).toEqual([ids[0], ids[1], ids[3]]);
    expect(found.skipped).toMatchObject([{ id: ids[2], why: expect.stringContaining('is not as it was written') }]);
    expect(found.keys).toMatchObject([{ key: 'long', firstIn: ids[1], lastIn: ids[3], snapshots: 2, goneSince: null }]);
    expect((await searched([ids[3]], text('The Login fails'))).keys).toMatchObject([
      { key: 'feedback:p1:f1', lastIn: ids[2], goneSince: null },
    ]);
  });

  it('ends the search with its error where no other snapshot is left', async () => {
    await expect(searched(ids, text('the words'))).rejects.toMatchObject({ code: 'damaged' });
  });
});

describe('find', () => {
  it('finds an item by its id and by its text, a project by its name, a log by its line', async () => {
    const byId = await find(1, text('F1'));
    expect(byId.map(({ key, where }) => [key, where]).sort()).toEqual([
      ['feedback:created:p1', 'value'],
      ['feedback:p1:f1', 'key'],
    ]);
    const [item, ...others] = await find(1, text('since update 7'));
    expect(others).toEqual([]);
    expect(item).toMatchObject({
      key: 'feedback:p1:f1',
      family: 'feedback',
      project: 'p1',
      title: 'The Login fails',
      where: 'body',
    });
    expect(item?.excerpt).toBe(`...${'x'.repeat(39)} since UPDATE 7 it fails`);
    expect(await find(0, text('umbrella'))).toMatchObject([
      { key: 'project:p1', title: 'Umbrella Labs', where: 'name' },
    ]);
    expect((await find(1, { selection: selectKey('job:*', {}), text: 'fails' })).map(({ key }) => key)).toEqual([
      'job:j1:logs',
    ]);
    expect(await find(3, text('since update 7'))).toEqual([]);
  });

  it('finds a text across the pieces of a long string, and among bytes that are not UTF-8', async () => {
    for (const [words, key] of [
      ['words that are cut', 'long'],
      ['the last ones', 'long'],
      ['words among bytes', 'bytes'],
    ] as const)
      expect(await find(1, text(words))).toMatchObject([
        { key, where: 'value', excerpt: expect.stringContaining(words) },
      ]);
  });

  it('says over all snapshots since when a key exists, and since when it is gone', async () => {
    const ports = {
      clock: bench.clock,
      encryptor: ageEncryptor({ recipients: [], identity: null }),
      signer: ed25519Signer({ privateKey: null, publicKey: null }),
      store: bench.folder.store,
    };
    const trust = await trustContext(ports, sourceOf(bench.port.host));
    const { opened, skipped } = await openAll(ports, trust);
    expect([opened.map(({ manifest }) => manifest.id), skipped]).toEqual([ids, []]);
    const search = (query: Query, limit = 100) => searchSnapshots(opened, query, { limit });

    const byKey = await search({ selection: selectKey('feedback:p1:f1', {}), text: null });
    expect(byKey.searched.map(({ keys }) => keys)).toEqual([0, 1, 1, 0]);
    const gone = { id: ids[3], takenAt: opened[3]?.manifest.window.to };
    expect(byKey.keys).toMatchObject([
      { firstIn: ids[1], lastIn: ids[2], snapshots: 2, goneSince: gone, title: 'The Login fails' },
    ]);
    expect((await search(text('update 7'))).keys).toMatchObject([
      { firstIn: ids[1], lastIn: ids[1], goneSince: { id: ids[2] } },
    ]);
    expect((await search(text('umbrella'))).keys).toMatchObject([
      { firstIn: ids[0], lastIn: ids[3], snapshots: 4, goneSince: null },
    ]);

    // A snapshot that lacks keys tells of none that it is gone.
    const [whole, lacking] = [opened.slice(0, 3), opened.slice(3)];
    const partial = lacking.map((one) => ({ ...one, manifest: { ...one.manifest, state: 'incomplete' as const } }));
    const query = { selection: selectKey('feedback:p1:f1', {}), text: null };
    expect((await searchSnapshots([...whole, ...partial], query, { limit: 10 })).keys).toMatchObject([
      { lastIn: ids[2], goneSince: null },
    ]);

    // Nor does one that a clock wrote which was ahead: it may be of a time before.
    const now = Date.parse(lacking[0]?.manifest.window.to ?? '');
    for (const [behind, goneSince] of [
      [0, { id: ids[3] }],
      [3_600_000, null],
    ] as const)
      expect((await searchSnapshots(opened, query, { limit: 10, now: now - behind })).keys).toMatchObject([
        { lastIn: ids[2], goneSince },
      ]);

    const many = await search({ selection: selectKey('filler:*', {}), text: null }, 10);
    expect([many.keys.length, many.more, many.searched.map(({ keys }) => keys)]).toEqual([
      10,
      true,
      [200, 200, 200, 200],
    ]);

    // By name the index leads to one part of each snapshot that holds it, and to none of the others.
    const counting = countingStore(bench.folder.store);
    const counted = await openAll({ ...ports, store: counting.store }, { ...trust, store: counting.store });
    await searchSnapshots(counted.opened, { selection: selectKey('feedback:p1:f1', {}), text: null }, { limit: 100 });
    expect([counting.parts.length, counting.indexes.length]).toEqual([2, 4]);
    expect(counted.opened[0]?.manifest.parts.length).toBeGreaterThan(3);
  });
});
