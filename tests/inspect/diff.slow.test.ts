import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  diff,
  snapshotSide,
  type DiffCount,
  type DiffOptions,
  type KeyChange,
  type Side,
} from '../../lib/inspect/diff.js';
import { clockOf } from '../../lib/restore/target.js';
import { liveSide } from '../../lib/inspect/live.js';
import type { OpenSnapshot } from '../../lib/inspect/open.js';
import { generateWorkspace, load } from '../../dev/data/index.js';
import { fromText } from '../../lib/soulcaster/text.js';
import { parseSelection, SELECT_ALL, type Selection } from '../../lib/soulcaster/selection.js';
import fc, { cases } from '../support/fast-check.js';
import { anyDatabaseOf } from '../restore/any-database.js';
import { differences, dumpDatabase, openPlain } from '../support/plain-dump.js';
import { batch } from '../support/redis-calls.js';
import { openInspectBench, PARTS, type InspectBench } from './bench.js';

let bench: InspectBench;
beforeAll(async () => {
  bench = await openInspectBench();
});
afterAll(() => bench.stop());

const live = (of: InspectBench = bench): Side => liveSide(of.port, new AbortController().signal);

async function compare(
  before: OpenSnapshot,
  after: Side,
  depth: DiffOptions['depth'] = 'keys',
  selection: Selection = SELECT_ALL,
): Promise<{ changes: KeyChange[]; counts: DiffCount[] }> {
  const changes: KeyChange[] = [];
  const onChange = (change: KeyChange): void => void changes.push(change);
  const counts = await diff(before, after, { selection, within: [], depth, now: () => bench.clock.now(), onChange });
  return { changes, counts };
}

it('tells expired keys from removed ones by the clock of the live database', async () => {
  const { redis } = bench.database;
  await redis.flushdb();
  await redis.set('removed', 'v', 'PXAT', Date.now() + 86_400_000);
  const before = await bench.look((await bench.takeWhole({ settings: PARTS })).id);
  await redis.del('removed');
  const wrong = { now: () => Date.now() + 2 * 86_400_000 };
  const counts = await diff(before, live(), {
    selection: SELECT_ALL,
    within: [],
    depth: 'counts',
    now: await clockOf(bench.port, wrong),
    onChange: () => undefined,
  });
  expect(counts).toMatchObject([{ removed: 1, expired: 0 }]);
});

const shown = ({ change, key }: KeyChange): string => `${change} ${fromText(key).toString('latin1')}`;
const sum = (counts: readonly DiffCount[], of: 'added' | 'removed' | 'changed' | 'same'): number =>
  counts.reduce((total, row) => total + row[of], 0);

describe('a snapshot compared', () => {
  it('with another and with the database gives the result of an independent reader, whatever they hold', async () => {
    const plain = openPlain(bench.database.url);
    const { redis } = bench.database;
    const some = anyDatabaseOf({ fieldExpiry: false });
    let [changed, same] = [0, 0];
    const property = fc.asyncProperty(some, some, fc.integer({ min: 2, max: 4 }), async (first, second, nth) => {
      await redis.flushdb();
      await batch(redis, first.commands);
      const then = await dumpDatabase(plain);
      const before = await bench.look((await bench.takeWhole({ settings: PARTS })).id);
      for (const [at, name] of [...then.keys()].entries()) {
        const key = Buffer.from(name, 'latin1');
        if (at % nth === 0) await redis.del(key);
        if (at % nth === 1 && at % 2 === 0) await redis.pexpireat(key, Date.parse('2099-01-01T00:00:00Z'));
        if (at % nth === 1 && at % 2 === 1) await redis.set(key, `changed ${at}`);
      }
      // A key that is there with another type stays as it is.
      await Promise.all(
        second.commands.map(async ([name, ...args]) => redis.callBuffer(name, ...args).catch(() => null)),
      );
      const now = await dumpDatabase(plain);
      const wanted = differences(then, now).map(({ key, left, right }) => {
        const change = left === undefined ? 'added' : right === undefined ? 'removed' : 'changed';
        return `${change} ${key}`;
      });
      const after = await bench.look((await bench.takeWhole({ settings: PARTS })).id);
      for (const side of [snapshotSide(after, SELECT_ALL), live()]) {
        const { changes, counts } = await compare(before, side);
        expect(changes.map(shown).sort()).toEqual(wanted.sort());
        expect(sum(counts, 'same')).toBe(
          [...then.keys()].filter((key) => now.has(key)).length - sum(counts, 'changed'),
        );
        expect(sum(counts, 'added') + sum(counts, 'removed') + sum(counts, 'changed')).toBe(wanted.length);
        changed += sum(counts, 'changed');
        same += sum(counts, 'same');
      }
    });
    await fc.assert(property, { numRuns: cases(15) });
    expect(same).toBeGreaterThan(0);
    expect(changed).toBeGreaterThan(0);
    plain.disconnect();
  });

  it('says which fields, members and items differ, and what else', async () => {
    const limited = await openInspectBench({ replyBytes: 20_000 });
    const { redis } = limited.database;
    await redis.hset('feedback:p:1', { title: 'old', body: 'same', gone: 'x' });
    await redis.sadd('set', 'a', 'b');
    await redis.zadd('zset', 1, 'a', 2, 'b');
    await redis.rpush('list', 'a', 'b');
    await redis.set('string', 'old');
    await redis.set('expiring', 'x', 'PX', 4_000_000_000);
    await redis.set('typed', 'x');
    await redis.set(Buffer.from([0x6b, 0xff]), Buffer.from([0xff]));
    await redis.sadd('big', ...Array.from({ length: 2_000 }, (_, at) => `member ${at} ${'x'.repeat(20)}`));
    const before = await limited.look((await limited.takeWhole({ settings: PARTS })).id);
    await redis.hset('feedback:p:1', { title: 'new', added: 'y' });
    await redis.hdel('feedback:p:1', 'gone');
    await redis.srem('set', 'a');
    await redis.zadd('zset', 3, 'b');
    await redis.rpush('list', 'c');
    await redis.set('string', 'new');
    await redis.persist('expiring');
    await redis.del('typed');
    await redis.hset('typed', 'a', 'b');
    await redis.set(Buffer.from([0x6b, 0xff]), 'text');
    await redis.sadd('big', 'another');
    for (const side of [
      live(limited),
      snapshotSide(await limited.look((await limited.takeWhole({ settings: PARTS })).id), SELECT_ALL),
    ]) {
      const { changes } = await compare(before, side, 'values');
      const by = new Map(changes.map((change) => [JSON.stringify(change.key), change]));
      expect(by.get('"feedback:p:1"')).toEqual({
        change: 'changed',
        key: 'feedback:p:1',
        type: 'hash',
        family: 'feedback',
        project: 'p',
        what: ['value'],
        moreFields: 0,
        fields: expect.arrayContaining([
          { field: 'title', before: 'old', after: 'new' },
          { field: 'gone', before: 'x', after: null },
          { field: 'added', before: null, after: 'y' },
        ]),
      });
      expect(by.get('"feedback:p:1"')?.fields).toHaveLength(3);
      const fieldsOf = (key: string): unknown => by.get(key)?.fields;
      expect(fieldsOf('"set"')).toEqual([{ field: 'a', before: 'a', after: null }]);
      expect(fieldsOf('"zset"')).toEqual([{ field: 'b', before: '2', after: '3' }]);
      expect(fieldsOf('"list"')).toEqual([{ field: '2', before: null, after: 'c' }]);
      expect(fieldsOf('"string"')).toEqual([{ field: null, before: 'old', after: 'new' }]);
      expect(fieldsOf('{"b":"a/8="}')).toEqual([{ field: null, before: { b: '/w==' }, after: 'text' }]);
      expect(by.get('"expiring"')).toMatchObject({ what: ['expiry'], fields: [] });
      expect(by.get('"typed"')).toMatchObject({ what: ['type'], fields: null });
      expect(by.get('"big"')).toMatchObject({ what: ['value'], fields: null });
      expect(by.size).toBe(9);
    }
    await limited.stop();
  });

  it('by project counts keys that belong to it on either side, and expired keys as expired', async () => {
    const { redis, url } = bench.database;
    await redis.flushdb();
    await load(
      url,
      generateWorkspace({ projects: 2, users: 2, items: 40, seed: 3, now: Date.parse('2090-01-01T00:00:00Z') }),
    );
    const projects = (await redis.keys('project:*')).map((key) => key.slice('project:'.length)).sort();
    const [one = '', other = ''] = projects;
    await redis.hset('job:over', { id: 'over', project_id: one, status: 'failed' });
    await redis.set(`cluster:lock:${one}`, 'x');
    // Over by the bench's clock of 2026 soon, and a day later for the server.
    await redis.set(`coding_plan:${one}:c`, 'x', 'PXAT', Date.now() + 86_400_000);
    const before = await bench.look((await bench.takeWhole({ settings: PARTS })).id);
    await redis.del('job:over', `coding_plan:${one}:c`);
    await redis.hset('job:new', { id: 'new', project_id: one, status: 'failed' });
    await redis.set('job:new:logs', 'not even a list');
    await redis.hset(`project:${other}`, 'name', 'another');
    const selection = parseSelection({ project: [one] });
    const later = Date.now() + 2 * 86_400_000;
    for (const side of [
      live(),
      snapshotSide(await bench.look((await bench.takeWhole({ settings: PARTS })).id), selection),
    ]) {
      const changes: KeyChange[] = [];
      const counts = await diff(before, side, {
        selection,
        within: [],
        depth: 'keys',
        now: () => later,
        onChange: (change) => void changes.push(change),
      });
      expect(changes.map(shown).sort()).toEqual(
        ['added job:new', 'added job:new:logs', `removed coding_plan:${one}:c`, 'removed job:over'].sort(),
      );
      expect(counts.find(({ family }) => family === 'job')).toMatchObject({
        project: one,
        added: 1,
        removed: 1,
        expired: 0,
      });
      expect(counts.find(({ family }) => family === 'coding-plan')).toMatchObject({ removed: 1, expired: 1 });
      expect(counts.some(({ project }) => project === other)).toBe(false);
    }
  });
});
