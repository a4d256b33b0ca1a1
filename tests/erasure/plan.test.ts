import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import { addErasure, planErasure, type ErasurePlan, type Subject } from '../../lib/erasure/plan.js';
import { retentionSettings } from '../../lib/app/settings.js';
import { loadErasedIds, saveErasure } from '../../lib/snapshot/erasures.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { addMark, removeMarksOfGone } from '../../lib/snapshot/unfinished-marks.js';
import { trustContext } from '../../lib/snapshot/trust.js';
import type { Policy } from '../../lib/retention/policy.js';
import { NONE } from '../retention/entries.js';
import { writeRun } from '../retention/prune/bench.js';
import { openInspectBench, PARTS, type InspectBench } from '../inspect/bench.js';

let bench: InspectBench;
const ids: string[] = [];
beforeAll(async () => {
  bench = await openInspectBench();
  const { redis } = bench.database;
  await redis.mset(Array.from({ length: 100 }, (_, at) => [`filler:${at}`, 'nothing of interest '.repeat(3)]).flat());
  await redis.hset('project:p1', { id: 'p1', user_id: 'u1' });
  await redis.sadd('user:projects:u1', 'p1');
  await redis.hset('job:j1', { id: 'j1', project_id: 'p1' });
  for (let taken = 0; taken < 3; taken++) ids.push((await bench.takeWhole({ settings: PARTS })).id);
});
afterAll(() => bench.stop());

const spoilt = (damaged: readonly (string | undefined)[]) => ({
  ...bench.folder.store,
  async read(name: string) {
    const found = await bench.folder.store.read(name);
    const isDamaged = name.includes('/part-') && damaged.some((id) => name.includes(id ?? '?'));
    return found === null || !isDamaged ? found : { ...found, body: found.body.subarray(1) };
  },
});

const planned = async (
  subject: Subject,
  damaged: readonly (string | undefined)[],
  policy: Policy = retentionSettings({}),
): Promise<ErasurePlan> => {
  const ports = {
    clock: bench.clock,
    encryptor: ageEncryptor({ recipients: [], identity: null }),
    signer: ed25519Signer({ privateKey: null, publicKey: null }),
    store: spoilt(damaged),
  };
  return planErasure(ports, await trustContext(ports, sourceOf(bench.port.host)), policy, subject);
};

describe.each([
  { kind: 'project', id: 'p1' },
  { kind: 'user', id: 'u1' },
] satisfies Subject[])('the erasure of a $kind', (subject) => {
  it('uses an older snapshot where the newest cannot be read, and reports the newest as skipped', async () => {
    const plan = await planned(subject, [ids[2]]);
    expect(plan).toMatchObject({ projects: ['p1'], readWhole: ids[1], searched: 2 });
    expect(plan.holders.map(({ id }) => id)).toEqual([ids[1], ids[0]]);
    expect(plan.skipped).toMatchObject([{ id: ids[2] }]);
    expect((await planned(subject, [])).holders.map(({ id }) => id)).toEqual([...ids].reverse());
  });

  it('ends with the error of a snapshot where none can be read', async () => {
    await expect(planned(subject, ids)).rejects.toMatchObject({ code: 'damaged' });
  });
});

it('gives no date while a prune is held because runs fail', async () => {
  const subject = { kind: 'project', id: 'p1' } as const;
  const days = { ...NONE, keepLast: 1 };
  const datesOf = ({ holders }: ErasurePlan) => holders.map(({ goesAt }) => goesAt === null);
  const before = await planned(subject, [], days);
  expect([before.held, datesOf(before)]).toEqual([null, [false, false, false]]);
  for (let failed = 0; failed < 3; failed++) await writeRun(bench.folder.store, { state: 'failed', daysAgo: -400 });
  const held = await planned(subject, [], days);
  expect(held.held).toBe('none of the last three snapshot runs succeeded');
  expect(datesOf(held)).toEqual([true, true, true]);
  expect(held.holders[0]?.kept).toContain('held');
});

it('gives no date to a snapshot that an unfinished restore needs, until its database is declared gone', async () => {
  const mark = { run: 'r1', scope: { all: true as const }, since: 'x', kind: 'restore', snapshot: ids[0] ?? '' };
  const [own, gone] = [sourceOf(bench.port.host), sourceOf('standby')];
  const oldest = async () => {
    const { holders } = await planned({ kind: 'project', id: 'p1' }, [], { ...NONE, keepLast: 1 });
    return holders.find(({ id }) => id === ids[0]);
  };
  // Other tests hold all removals with failed runs.
  for await (const { name } of bench.folder.store.list('runs/')) await bench.folder.store.remove(name);
  await addMark(bench.folder.store, gone, mark);
  expect(await oldest()).toMatchObject({ goesAt: null, kept: ['in-use'] });
  expect(await removeMarksOfGone(bench.folder.store, 'r1', gone)).toBe(0);
  expect(await removeMarksOfGone(bench.folder.store, 'r1', own)).toBe(1);
  expect((await oldest())?.goesAt).not.toBeNull();
});

it('finds jobs and clusters whose hash only an older snapshot holds, and records them in the entry', async () => {
  const { redis } = bench.database;
  await redis.set('cluster:p2:c2', '{}');
  await redis.hset('job:j2', { id: 'j2', project_id: 'p2' });
  await redis.rpush('job:j2:logs', 'a line');
  await redis.zadd('cluster:jobs:c2', 1, 'j2');
  await redis.hset('project:p2', { id: 'p2', user_id: 'u2' });
  const named = (await bench.takeWhole({ settings: PARTS })).id;
  await redis.del('job:j2', 'cluster:p2:c2');
  const unnamed = (await bench.takeWhole({ settings: PARTS })).id;
  const subject = { kind: 'project', id: 'p2' } as const;
  const plan = await planned(subject, []);
  expect(plan).toMatchObject({ projects: ['p2'], jobs: ['j2'], clusters: ['c2'], readWhole: unnamed });
  expect(plan.holders.map(({ id, keys }) => [id, keys])).toEqual([
    [unnamed, 3],
    [named, 5],
  ]);
  const encryptor = ageEncryptor({ recipients: [], identity: null });
  const ports = { clock: bench.clock, encryptor, store: bench.folder.store };
  await addErasure(ports, plan, { by: 'ops', reason: 'contract ended' });
  expect(await loadErasedIds(ports)).toEqual({ users: [], projects: ['p2'], jobs: ['j2'], clusters: ['c2'] });
});

it('includes what the erasure list knows of the user from snapshots that are gone, in the plan and in the next entry', async () => {
  const encryptor = ageEncryptor({ recipients: [], identity: null });
  const ports = { clock: bench.clock, encryptor, store: bench.folder.store };
  const known = { projects: ['p0', 'p1'], jobs: ['j0'], clusters: ['c0'] };
  const entry = { kind: 'user' as const, id: 'u1', reason: 'asked', at: '2026-11-20T00:00:00Z', by: 'ops' };
  await saveErasure(ports, { ...entry, ...known });
  await bench.database.redis.mset('job:j0', 'gone', 'project:p0', 'gone');
  await bench.database.redis.rpush('job:j0:logs', 'a line');
  const newest = (await bench.takeWhole({ settings: PARTS })).id;
  const plan = await planned({ kind: 'user', id: 'u1' }, []);
  expect(plan).toMatchObject({ projects: ['p0', 'p1'], jobs: ['j0', 'j1'], clusters: ['c0'], others: [] });
  // user:projects:u1, project:p1, job:j1 and, by the list, project:p0, job:j0, job:j0:logs.
  expect(plan.holders.find(({ id }) => id === newest)?.keys).toBe(6);
  await addErasure(ports, plan, { by: 'ops', reason: 'asked again' });
  expect(await loadErasedIds(ports)).toMatchObject({ projects: ['p0', 'p1', 'p2'], jobs: ['j0', 'j1', 'j2'] });
});
