import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisReply } from '../../lib/ports/redis.js';
import { probeFieldExpiry } from '../../lib/snapshot/read/field-expiry.js';
import { fromText } from '../../lib/soulcaster/text.js';
import { describeEngines } from '../support/describe-engines.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { intercept, isAbout } from './intercept.js';
import { recordsByKey } from './lines.js';

const FAR = 4_102_444_800_000;
const info = (text: string, expired = 'expired_subkeys:0'): RedisReply => ({
  value: Buffer.from(`# Stats\r\n${expired}\r\n# Keyspace\r\n${text}`),
});

describe('whether the expiry of hash fields is read', () => {
  const probe = (replies: RedisReply[]) => {
    const answer = () => Promise.resolve(replies);
    return probeFieldExpiry({
      host: 'h',
      pipeline: answer,
      transaction: answer,
      usage: () => ({ requests: 0, commands: 0, bytesSent: 0, bytesReceived: 0 }),
    });
  };
  const known: RedisReply = { value: [-2] };

  it.each<[string, 'read' | 'none', RedisReply[]]>([
    [
      'not where the command is unknown',
      'none',
      [{ error: "ERR unknown command 'HPEXPIRETIME'" }, info('db0:keys=1,subexpiry=3')],
    ],
    ['not where the server counts none', 'none', [known, info('db0:keys=9,expires=0,avg_ttl=0,subexpiry=0\r\n')]],
    [
      'not where Valkey counts none',
      'none',
      [known, info('db0:keys=9,keys_with_volatile_items=0', 'expired_fields:7')],
    ],
    ['where the server does not count those that expired', 'read', [known, info('db0:keys=9,subexpiry=0', '')]],
    ['where the server counts some', 'read', [known, info('db0:keys=9,expires=0,avg_ttl=0,subexpiry=3\r\n')]],
    [
      'where any of its databases has some',
      'read',
      [known, info('db0:keys=9,subexpiry=0\r\ndb1:keys=1,subexpiry=12\r\n')],
    ],
    ['where the server does not count them', 'read', [known, info('db0:keys=9,expires=0\r\n')]],
    ['where INFO is silent', 'read', [known, info('')]],
    ['where INFO is refused', 'read', [known, { error: 'ERR not available' }]],
    ['where INFO is no text', 'read', [known, { value: null }]],
  ])('%s', async (_case, expected, replies) => {
    expect(await probe(replies)).toMatchObject({ fieldExpiry: expected });
  });
});

/** Waits until the server has removed the fields whose time is over. */
async function untilNoFieldExpires(redis: Redis): Promise<void> {
  while (/(?:subexpiry|keys_with_volatile_items)=[1-9]/.test(await redis.info('keyspace'))) await delay(10);
}

await describeEngines('the expiry of hash fields', ({ fieldExpiry, program }) => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench({ replyBytes: 60_000, program });
    const { redis } = bench.database;
    await redis.set('string', 'v');
    await redis.hset('plain', 'a', '1', 'b', '2');
    await redis.hset('some', 'stays', '1', 'goes', '2', Buffer.from([0xff]), '3');
    await redis.hset('big', Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`f${at}`, 'v'.repeat(60)])));
  });
  afterAll(() => bench.stop());

  if (!fieldExpiry) {
    it('is not read where the server does not know it', async () => {
      const { manifest } = await bench.takeWhole();
      expect(manifest.fieldExpiry).toBe('none');
      for (const lines of (await recordsByKey(bench, manifest)).values())
        for (const line of lines) expect(line).not.toHaveProperty('fx');
    });
    return;
  }

  const BIG = Array.from({ length: 5000 }, (_, at) => `f${at}`).filter((field) => field.startsWith('f1'));
  const expire = (key: string, at: number, ...fields: (string | Buffer)[]) =>
    bench.database.redis.call('HPEXPIREAT', key, String(at), 'FIELDS', String(fields.length), ...fields);

  it('is not read where the server counts none', async () => {
    const quiet = await bench.takeWhole();
    expect(quiet.manifest.fieldExpiry).toBe('none');
  });

  it('is saved when it is set for the first time while the snapshot is taken', async () => {
    const { redis } = bench.database;
    await redis.hset('late', 'f', 'v');
    let done = false;
    const port = intercept(bench.port, {
      async after(commands, replies) {
        if (done || !commands.some((command) => isAbout(command, 'HGETALL', 'late'))) return replies;
        done = true;
        await expire('late', FAR, 'f');
        return replies;
      },
    });
    const { manifest, id } = await bench.takeWhole({ redis: port });
    expect(manifest).toMatchObject({ fieldExpiry: 'read', counts: { keys: 5 }, ledger: { saved: 5 } });
    expect((await recordsByKey(bench, manifest)).get('"late"')?.[0]?.fx).toEqual([['f', FAR]]);
    expect((await bench.verify(id)).state).toBe('succeeded');
    await redis.del('late');
  });

  it('of a field that gets one and is gone before the end: the field is not in the snapshot', async () => {
    const { redis } = bench.database;
    await redis.hset('brief', 'stays', '1', 'goes', '2');
    let step = 0;
    const port = intercept(bench.port, {
      async after(commands, replies) {
        if (step === 0 && commands.some((command) => isAbout(command, 'HGETALL', 'brief'))) {
          step = 1;
          await redis.call('HPEXPIRE', 'brief', '200', 'FIELDS', '1', 'goes');
          await untilNoFieldExpires(redis);
        }
        return replies;
      },
    });
    const { manifest } = await bench.takeWhole({ redis: port });
    expect(step).toBe(1);
    expect(manifest.fieldExpiry).toBe('read');
    expect((await recordsByKey(bench, manifest)).get('"brief"')?.[0]?.v).toEqual([['stays', '1']]);
    await redis.del('brief');
  });

  it.each(['none is left', 'others are left'])(
    'of all fields of a hash, which is gone before the end: the hash is not in the snapshot (%s)',
    async (others) => {
      const { redis } = bench.database;
      await redis.hset('brief', 'goes', '1', 'goes too', '2');
      if (others === 'others are left') await redis.hset('brief 2', 'f', 'v');
      let step = 0;
      const port = intercept(bench.port, {
        async after(commands, replies) {
          if (step === 0 && commands.some((command) => isAbout(command, 'HGETALL', 'brief'))) {
            step = 1;
            await redis.call('HPEXPIRE', 'brief', '200', 'FIELDS', '2', 'goes', 'goes too');
            await untilNoFieldExpires(redis);
          }
          return replies;
        },
      });
      const { manifest, id } = await bench.takeWhole({ redis: port });
      expect(step).toBe(1);
      const records = await recordsByKey(bench, manifest);
      expect(records.has('"brief"')).toBe(false);
      expect(records.has('"brief 2"')).toBe(others === 'others are left');
      expect(manifest.counts.keys).toBe(others === 'others are left' ? 5 : 4);
      expect(manifest.names?.unexplained).toBe(0);
      expect((await bench.verify(id)).state).toBe('succeeded');
      await redis.del('brief 2');
    },
  );

  it('is read from then on', async () => {
    await expire('some', FAR + 4, 'goes');
    await expire('some', FAR + 1, Buffer.from([0xff]));
    for (const field of BIG) await expire('big', FAR + field.length, field);
    expect((await bench.takeWhole()).manifest.fieldExpiry).toBe('read');
  });

  it('is saved with the fields that have one, in big hashes too', async () => {
    const { manifest } = await bench.takeWhole();
    expect(manifest.fieldExpiry).toBe('read');
    const records = await recordsByKey(bench, manifest);
    expect(records.get('"plain"')?.[0]).not.toHaveProperty('fx');
    expect(new Set(records.get('"some"')?.[0]?.fx)).toEqual(
      new Set([
        ['goes', FAR + 4],
        [{ b: '/w==' }, FAR + 1],
      ]),
    );
    const big = records.get('"big"') ?? [];
    expect(big.length).toBeGreaterThan(1);
    const found = new Map(big.flatMap(({ fx }) => fx ?? []).map(([field, at]) => [fromText(field).toString(), at]));
    expect([...found.keys()].sort()).toEqual([...BIG].sort());
    for (const [field, at] of found) expect(at).toBe(FAR + field.length);
  });

  it('is saved for a key that became a hash while the snapshot was taken', async () => {
    const { redis } = bench.database;
    await redis.set('turns', 'string');
    const port = intercept(bench.port, {
      async after(commands, replies) {
        if (commands[0]?.[0] !== 'SCAN') return replies;
        await redis.multi().del('turns').hset('turns', 'goes', 'v').exec();
        await expire('turns', FAR + 4, 'goes');
        return replies;
      },
    });
    const { manifest } = await bench.takeWhole({ redis: port });
    await redis.del('turns');
    expect((await recordsByKey(bench, manifest)).get('"turns"')?.[0]).toMatchObject({
      t: 'hash',
      fx: [['goes', FAR + 4]],
    });
  });

  it.each(['some', 'big'])(
    'makes the snapshot incomplete when it cannot be read, and the hash is reported: %s',
    async (bad) => {
      const redis = intercept(bench.port, {
        after: (commands, replies) =>
          replies.map((reply, at): RedisReply => {
            const [name, key] = commands[at] ?? [];
            return name === 'HPEXPIRETIME' && String(key) === bad ? { error: 'NOPERM no' } : reply;
          }),
      });
      const { run, manifest, id } = await bench.take({ redis });
      expect(run.state).toBe('incomplete');
      expect(manifest?.ledger.failed).toEqual({
        count: 1,
        keys: [{ key: bad, reason: 'expiry of its fields: NOPERM' }],
      });
      expect(manifest?.counts.keys).toBe(3);
      expect((await bench.verify(id)).state).toBe('succeeded');
    },
  );

  it('of a field that goes away while it is read: the field is not in the record, and a hash without fields has none', async () => {
    const { redis } = bench.database;
    await redis.hset('loses one', 'a', '1', 'b', '2');
    await redis.hset('loses all', 'a', '1');
    await expire('loses all', FAR, 'a');
    let done = false;
    const port = intercept(bench.port, {
      async before(commands) {
        if (done || commands[0]?.[0] !== 'HPEXPIRETIME' || commands[0][2] !== 'FIELDS') return null;
        if (String(commands[0][1]).startsWith('soulcaster-backup:')) return null;
        done = true;
        await expire('loses one', 1, 'b');
        await expire('loses all', 1, 'a');
        return null;
      },
    });
    const { manifest } = await bench.takeWhole({ redis: port });
    const records = await recordsByKey(bench, manifest);
    expect(records.get('"loses one"')?.[0]?.v).toEqual([['a', '1']]);
    expect(records.has('"loses all"')).toBe(false);
    expect(manifest.ledger.expiredMeanwhile).toBe(1);
    await redis.del('loses one', 'loses all');
  });

  it('and value are from one moment: a field that is written again meanwhile has its new value', async () => {
    const { redis } = bench.database;
    await redis.hset('again', 'f', 'old', 'g', 'v');
    await expire('again', FAR, 'f', 'g');
    let done = false;
    const port = intercept(bench.port, {
      async before(commands) {
        if (done || commands[0]?.[0] !== 'HPEXPIRETIME' || commands[0][2] !== 'FIELDS') return null;
        if (String(commands[0][1]).startsWith('soulcaster-backup:')) return null;
        done = true;
        await redis.hset('again', 'f', 'new', 'h', 'added');
        return null;
      },
    });
    const { manifest } = await bench.takeWhole({ redis: port });
    const line = (await recordsByKey(bench, manifest)).get('"again"')?.[0];
    const byName = (a: readonly [unknown, unknown], b: readonly [unknown, unknown]) =>
      String(a[0]) < String(b[0]) ? -1 : 1;
    expect([...(line?.v as [string, string][])].sort(byName)).toEqual([
      ['f', 'new'],
      ['g', 'v'],
      ['h', 'added'],
    ]);
    expect(line?.fx).toEqual([['g', FAR]]);
    await redis.del('again');
  });

  it('takes one request per page, not one per hash', async () => {
    const { redis } = bench.database;
    const pipeline = redis.pipeline();
    for (let at = 0; at < 3000; at++) pipeline.hset(`hash:${at}`, 'f', 'v', 'g', 'w');
    await pipeline.exec();
    await expire('hash:0', FAR, 'f');
    const before = bench.port.usage().requests;
    const { manifest } = await bench.takeWhole();
    expect(manifest.fieldExpiry).toBe('read');
    expect(bench.port.usage().requests - before).toBeLessThan(400);
    for (let at = 0; at < 3000; at++) pipeline.del(`hash:${at}`);
    await pipeline.exec();
  });

  it('of a hash whose names are larger than a request is read in several requests, and other keys are saved', async () => {
    const { redis } = bench.database;
    const names = Array.from({ length: 60 }, (_, at) => `${at}`.padEnd(2500, 'n'));
    await redis.hset('long names', Object.fromEntries(names.map((name) => [name, 'v'])));
    await expire('long names', FAR, names[7] ?? '');
    const { manifest } = await bench.takeWhole();
    const lines = (await recordsByKey(bench, manifest)).get('"long names"') ?? [];
    expect(lines.flatMap(({ v }) => v as unknown[])).toHaveLength(60);
    expect(lines.flatMap(({ fx }) => fx ?? [])).toEqual([[names[7], FAR]]);
    await redis.del('long names');
  });
});
