import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RedisCommand, RedisReply } from '../../lib/ports/redis.js';
import { probeFieldExpiry } from '../../lib/snapshot/read/field-expiry.js';
import { fromText } from '../../lib/snapshot/text.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { intercept, type Hooks } from './intercept.js';
import { recordsByKey } from './lines.js';

const FAR = 4_102_444_800_000;
const info = (text: string): RedisReply => ({ value: Buffer.from(`# Keyspace\r\n${text}`) });

describe('whether the expiry of hash fields is looked for', () => {
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
    expect(await probe(replies)).toBe(expected);
  });
});

describe('the expiry of hash fields', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench({ replyBytes: 60_000 });
    const { redis } = bench.database;
    await redis.set('string', 'v');
    await redis.hset('plain', 'a', '1', 'b', '2');
    await redis.hset('some', 'stays', '1', 'goes', '2', Buffer.from([0xff]), '3');
    await redis.hset('big', Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`f${at}`, 'v'.repeat(60)])));
  });
  afterAll(() => bench.stop());

  /** A server that knows the command; of `some` and `big` the fields that begin with g, 0xff or f1 expire. */
  function knowing(also: Hooks = {}) {
    const timeOf = (key: string, field: Buffer): number => {
      const expires = key !== 'plain' && (field[0] === 0xff || /^(g|f1)/.test(field.toString('latin1')));
      return expires ? FAR + field.length : -1;
    };
    const answer = ([name, key, , , ...fields]: RedisCommand): RedisReply => {
      if (name !== 'HPEXPIRETIME') return { error: 'ERR' };
      return { value: fields.map((field) => timeOf(String(key), Buffer.from(field as Buffer))) };
    };
    const port = intercept(bench.port, {
      before: (commands) => (commands[0]?.[0] === 'HPEXPIRETIME' ? commands.map(answer) : null),
    });
    return intercept(port, also);
  }

  it('is not asked for where the server has none', async () => {
    const { manifest } = await bench.takeWhole();
    expect(manifest.fieldExpiry).toBe('none');
    for (const lines of (await recordsByKey(bench, manifest)).values())
      for (const line of lines) expect(line).not.toHaveProperty('fx');
  });

  it('stands with the fields that have one, in big hashes too', async () => {
    const { manifest } = await bench.takeWhole({ redis: knowing() });
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
    const expected = Array.from({ length: 5000 }, (_, at) => `f${at}`).filter((field) => field.startsWith('f1'));
    expect([...found.keys()].sort()).toEqual(expected.sort());
    for (const [field, at] of found) expect(at).toBe(FAR + field.length);
  });

  it('is left alone when told so', async () => {
    const { manifest } = await bench.takeWhole({ redis: knowing(), settings: { fieldExpiry: 'never' } });
    expect(manifest.fieldExpiry).toBe('none');
  });

  it('is there for a key that became a hash while the snapshot was taken', async () => {
    const { redis } = bench.database;
    await redis.set('turns', 'string');
    const port = knowing({
      async after(commands, replies) {
        if (commands[0]?.[0] === 'SCAN') await redis.multi().del('turns').hset('turns', 'goes', 'v').exec();
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

  it.each(['some', 'big'])('that cannot be read makes the snapshot incomplete and names the hash: %s', async (bad) => {
    const redis = knowing({
      after: (commands, replies) =>
        replies.map((reply, at): RedisReply => {
          const [name, key] = commands[at] ?? [];
          return name === 'HPEXPIRETIME' && String(key) === bad ? { error: 'NOPERM no' } : reply;
        }),
    });
    const { run, manifest, id } = await bench.take({ redis });
    expect(run.state).toBe('incomplete');
    expect(manifest?.ledger.failed).toEqual({ count: 1, keys: [{ key: bad, reason: 'expiry of its fields: NOPERM' }] });
    expect(manifest?.counts.keys).toBe(3);
    expect((await bench.verify(id)).state).toBe('succeeded');
  });
});
