import { BACKUP, DATA, dryRun, FAR, redis, restore, run, SAVED, says, type Case } from './lies.js';

export const RESTORE_LIES: readonly Case[] = [
  {
    title: 'a restore with one value changed',
    claim: 'a restore that succeeded left what its snapshot holds',
    before: [...SAVED, { do: 'flush' }],
    last: restore(),
    lie: redis('SET', 'k:0', 'another', 'PXAT', FAR),
  },
  {
    title: 'a restore that lost a key',
    claim: 'a restore that succeeded left what its snapshot holds',
    before: [...SAVED, { do: 'flush' }],
    last: restore(),
    lie: redis('DEL', 'k:3'),
  },
  {
    title: 'a restore that left a key more',
    claim: 'a restore that succeeded left what its snapshot holds',
    before: [...SAVED, { do: 'put', key: 5, kind: 'set', seed: 1, size: 2, when: 'never' }],
    last: restore(),
    lie: redis('SET', 'k:5', 'still there'),
  },
  {
    title: 'an expiry that is a millisecond off',
    claim: 'a restore that succeeded left what its snapshot holds',
    before: [...SAVED, { do: 'flush' }],
    last: restore(),
    lie: redis('PEXPIREAT', 'k:0', FAR + 1),
  },
  {
    title: 'a field that stays for ever',
    claim: 'a restore that succeeded left what its snapshot holds',
    before: [...SAVED, { do: 'flush' }],
    last: restore(),
    lie: redis('HPERSIST', 'k:1', 'FIELDS', 1, 'w2-0'),
  },
  {
    title: 'a list in another order',
    claim: 'a restore that succeeded left what its snapshot holds',
    before: [...SAVED, { do: 'flush' }],
    last: restore(),
    lie: redis('LMOVE', 'k:2', 'k:2', 'LEFT', 'RIGHT'),
  },
  {
    title: '`--ttl shift` with one key a millisecond off',
    claim: 'a restore that succeeded left what its snapshot holds',
    before: [...SAVED, { do: 'expire', key: 2, when: 'far' }, BACKUP],
    last: restore({ ttl: 'shift' }),
    async lie(world) {
      const time = Number(await world.main.redis().call('PEXPIRETIME', 'k:2'));
      await world.main.redis().call('PEXPIREAT', 'k:2', time + 1);
      return null;
    },
  },
  {
    title: '`--ttl shift` by an hour too much',
    claim: '`--ttl shift` adds the time since the snapshot was finished',
    before: [...DATA.slice(0, 1), BACKUP],
    last: restore({ ttl: 'shift' }),
    lie: redis('PEXPIREAT', 'k:0', FAR + 3_600_000),
  },
  {
    title: '`--ttl drop` that left a time',
    claim: 'a restore that succeeded left what its snapshot holds',
    before: SAVED,
    last: restore({ ttl: 'drop' }),
    lie: redis('PEXPIREAT', 'k:0', FAR),
  },
  {
    title: 'a united list that lost a newer member',
    claim: 'a restore that succeeded left what its snapshot holds',
    before: [...SAVED, { do: 'project', project: 0, items: 9, seed: 4 }],
    last: restore({ mode: 'merge' }),
    lie: redis('ZREM', 'feedback:created:pa', 'f8'),
  },
  {
    title: 'a member whose score `missing` changed',
    claim: 'a restore that succeeded left what its snapshot holds',
    before: [...SAVED, { do: 'drop-items', project: 0, count: 2 }],
    last: restore({ mode: 'missing' }),
    lie: redis('ZADD', 'feedback:created:pa', 1, 'f5'),
  },
  {
    title: 'an item that came back and is in no list',
    claim: 'a restore that succeeded left what its snapshot holds',
    before: [...SAVED, { do: 'drop-items', project: 0, count: 2 }],
    last: restore({ mode: 'missing' }),
    lie: redis('SREM', 'feedback:unclustered:pa', 'f1'),
  },
  {
    title: 'a restore of a project that touched another',
    claim: 'a restore of one project, outside of it, changes nothing',
    before: [...SAVED, { do: 'drop-items', project: 0, count: 2 }],
    last: restore({ scope: 'pa' }),
    lie: redis('HSET', 'project:pb', 'name', 'renamed'),
  },
  {
    title: 'a restore elsewhere that touched the database here',
    claim: 'a restore into another database, in this one, changes nothing',
    before: SAVED,
    last: restore({ target: true, ttl: 'drop' }),
    lie: redis('DEL', 'k:2'),
  },
  {
    title: 'a dry run that wrote',
    claim: 'a dry run changes nothing',
    before: SAVED,
    last: dryRun(),
    lie: redis('SADD', 'k:9', 'x'),
  },
  {
    title: 'a plan with a wrong figure',
    claim: "a plan's figures are those of the databases",
    before: [...SAVED, { do: 'del', key: 2 }],
    last: dryRun(),
    lie: says(({ plan }) => ({ plan: { total: { ...(plan as { total: object }).total, write: 0 } } })),
  },
  {
    title: 'a dry run that said something else than what was done',
    claim: 'a dry run holds to the letter',
    before: [...DATA.slice(2), BACKUP, { do: 'del', key: 2 }],
    last: restore({ rehearsed: true, mode: 'merge' }),
    lie: (world, outcome) =>
      outcome.args.includes('--dry-run')
        ? says(({ plan }) => ({ plan: { total: { ...(plan as { total: object }).total, write: 7 } } }))(world, outcome)
        : null,
  },
  {
    title: 'an undo that gave something else back',
    claim: 'an undo gives what was there before',
    before: [...SAVED, { do: 'del', key: 2 }, restore()],
    last: run({ run: 'undo' }),
    lie: redis('RPUSH', 'k:2', 'x'),
  },
];
