import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bigString, load, type Write } from '../../dev/data/index.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { ticking } from './intercept.js';
import { recordsByKey } from './lines.js';

const NOTHING_WRONG = { onlyInRedis: 0, onlyInSnapshot: 0, different: 0, examples: [] };
const SMALL_PARTS = { partBytes: 50_000 };
/** What Redis keeps packed comes whole, whatever the COUNT: this is above it. */
const REPLY_BYTES = 100_000;

function write(name: string, key: string, ...args: (string | Buffer)[]): Write {
  return { key, command: [name, key, ...args], creates: true, project: null };
}

function numbered(count: number, text: (at: number) => string[]): string[] {
  return Array.from({ length: count }, (_, at) => text(at)).flat();
}

describe('a value of the size that real limits cut', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
  });
  afterAll(() => bench.stop());

  it('is saved: a hash of 100,000 fields and a string of 20 MB', async () => {
    const fill =
      "for at = 1, 100000 do redis.call('HSET', KEYS[1], 'field:' .. at, string.rep('value ', 28) .. at) end";
    await bench.database.redis.eval(fill, 1, 'hash');
    await load(bench.database.url, bigString('string', 20_000_000));
    await load(bench.database.url, [write('SET', 'small', 'value')]);
    const { id, manifest } = await bench.takeWhole({ settings: { partBytes: 4 * 1024 * 1024 } });
    expect(await bench.compare(id)).toEqual({ keys: 3, ...NOTHING_WRONG });
    expect(manifest.parts.length).toBeGreaterThan(5);
    expect(manifest.counts).toMatchObject({ keys: 3, byType: { hash: 1, string: 2 } });
    expect((await bench.verify(id)).result).toMatchObject({ keys: 3, findings: [] });
  });
});

describe('values above the limit of a reply', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench({ replyBytes: REPLY_BYTES });
    const texts = (at: number): string => `${at} ${'text '.repeat(20)}`;
    await load(bench.database.url, [
      write('SADD', 'set', ...numbered(3000, (at) => [texts(at)])),
      write('RPUSH', 'list', ...numbered(4000, (at) => [texts(at)])),
      write('ZADD', 'zset', ...numbered(3000, (at) => [String(at / 7), texts(at)])),
      write('HSET', 'hash', ...numbered(3000, (at) => [String(at), texts(at)])),
      write('SET', 'string', Buffer.alloc(300_001, Buffer.from([0xff, 0x00, 0x0a]))),
      write('SET', 'text', 'é'.repeat(200_000)),
      ...Array.from({ length: 2500 }, (_, at) => write('XADD', 'stream', `${at + 1}-1`, 'f', texts(at))),
    ]);
    for (const type of ['set', 'list', 'hash', 'string']) {
      await bench.database.redis.pexpireat(type, 4_102_444_800_000);
    }
  });
  afterAll(() => bench.stop());

  it('are read in pages, with one key over several parts', async () => {
    const { id, manifest } = await bench.takeWhole({ settings: SMALL_PARTS });
    expect(await bench.compare(id)).toEqual({ keys: 7, ...NOTHING_WRONG });
    expect(manifest.parts.length).toBeGreaterThan(20);
    const records = await recordsByKey(bench, manifest);
    for (const lines of records.values()) {
      expect(new Set(lines.map(({ part }) => part)).size).toBeGreaterThan(1);
      expect(lines.map(({ i }) => i)).toEqual(lines.map((_, at) => at));
      expect(lines.map(({ last }) => last ?? false)).toEqual(lines.map((_, at) => at === lines.length - 1));
    }
    expect(manifest.ledger.changedMeanwhile.count).toBe(0);
    expect((await bench.verify(id)).result).toMatchObject({ keys: 7, depth: 'lines', findings: [] });
  });

  it('give the same snapshot in many attempts', async () => {
    const { id, attempts } = await bench.takeWhole({ settings: SMALL_PARTS, redis: ticking(bench), attemptMs: 12 });
    expect(attempts).toBeGreaterThan(5);
    expect(await bench.compare(id)).toEqual({ keys: 7, ...NOTHING_WRONG });
  });

  it('are reported as failed when one element does not fit in a reply, and other keys are saved', async () => {
    const { redis } = bench.database;
    const huge = 'x'.repeat(REPLY_BYTES + 1);
    await redis.rpush('huge:list', 'small', huge, 'small');
    await redis.hset('huge:hash', 'field', huge);
    await redis.zadd('huge:zset', 1, huge);
    await redis.sadd('huge:set', huge);
    await redis.xadd('huge:stream', '1-1', 'f', huge);
    const { id, run, manifest } = await bench.take({ settings: SMALL_PARTS });
    expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
    expect(manifest?.state).toBe('incomplete');
    const { failed } = manifest?.ledger ?? {};
    expect(failed?.keys.map(({ key }) => key).sort()).toEqual(
      ['hash', 'list', 'set', 'stream', 'zset'].map((type) => `huge:${type}`),
    );
    expect(new Set(failed?.keys.map(({ reason }) => reason))).toEqual(
      new Set(['one element is too large for a reply']),
    );
    expect(await bench.compare(id)).toMatchObject({ keys: 7, onlyInRedis: 5, onlyInSnapshot: 0, different: 0 });
    expect((await bench.verify(id)).state).toBe('succeeded');
    await redis.del('huge:list', 'huge:hash', 'huge:zset', 'huge:set', 'huge:stream');
  });

  it('are reported as failed when the entries of a stream fit in a reply and its groups do not', async () => {
    const { redis } = bench.database;
    await redis.xadd('heavy', '1-1', 'f', 'x'.repeat(REPLY_BYTES * 0.7));
    const { run, manifest, id } = await bench.take({ settings: SMALL_PARTS });
    expect(run).toMatchObject({ state: 'incomplete' });
    expect(manifest?.ledger.failed).toMatchObject({ count: 1, keys: [{ key: 'heavy' }] });
    expect(await bench.compare(id)).toMatchObject({ keys: 7, onlyInRedis: 1, different: 0 });
    await redis.del('heavy');
  });
});
