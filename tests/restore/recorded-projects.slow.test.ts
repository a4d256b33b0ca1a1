import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { loadWorkspace } from '../../dev/data/index.js';
import { ageEncryptor } from '../../lib/crypto/age.js';
import type { RestoreContext } from '../../lib/restore/context.js';
import { inspectProjects } from '../../lib/restore/inspect-task.js';
import { recordedProjects } from '../../lib/restore/recorded-projects.js';
import type { Manifest } from '../../lib/snapshot/manifest.js';
import { sourceRecords, type SourceRecord } from '../../lib/snapshot/source-records.js';
import { RULES, type Rule } from '../../lib/soulcaster/invariants/rules.js';
import type { FullReport } from '../../lib/soulcaster/invariants.js';
import { classifyKey, type ClassifiedKey } from '../../lib/soulcaster/keys.js';
import fc, { cases } from '../support/fast-check.js';
import { batch, type Command } from '../support/redis-calls.js';
import { NOW, openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

type Name = string | Buffer;

/** What an id, a field or a value may be, however unlikely: words of the grammar, what is no text, numbers that are none. */
const ODD: readonly Name[] = [
  ...['', 'a', 'a:b', ':', 'x:items', 'created', 'lock', 'jobs', 'source', 'all', '__proto__', 'toString', '\ufeffbom'],
  ...['\ufffd', 'é', 'app-store', 'github', 'closed', '2024-02-30', '-0', 'x'.repeat(3000)],
  ...[Buffer.from([0xff]), Buffer.from([0xfe]), Buffer.from([0x61, 0xff])],
];
const FIELDS = [
  'id',
  'project_id',
  'source',
  'title',
  'body',
  'created_at',
  'external_id',
  'repo',
  'status',
  'user_id',
];

const damage = fc.record({
  kind: fc.constantFrom('remove', 'string', 'hash', 'set', 'zset', 'list', 'stream', 'grow', 'field', 'rename'),
  family: fc.nat(),
  key: fc.nat(),
  /** Odd ones, and by number those that the workspace has. */
  ids: fc.array(fc.oneof(fc.constantFrom(...ODD), fc.nat()), { minLength: 1, maxLength: 5 }),
  field: fc.constantFrom(...FIELDS),
  score: fc.constantFrom('1', 'inf', '-inf', '-0', '1e-320', '1700000000.1234561'),
});
type Damage = ReturnType<typeof damage.generate>['value'];

let bench: RestoreBench;
beforeAll(async () => {
  bench = await openRestoreBench({ snapshotReplyBytes: 400_000 });
});
afterAll(() => bench.stop());

it('records give the same inspection of projects as the database, however broken they are', async () => {
  const { redis, url } = bench.database;
  const keysNow = async (): Promise<Buffer[]> => (await redis.keysBuffer('*')).sort((a, b) => a.compare(b));
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 5, maxLength: 30 }), fc.nat(5), async (damages, seed) => {
      await redis.flushall();
      const size = { projects: 2, users: 1, items: 14, clusterSize: 4 };
      await loadWorkspace({ redisUrl: url, ...size, seed, now: NOW, locked: false, legacy: false });
      // Called by a word of the grammar, and owned by a user whose name none has.
      await redis.hset('project:lock', { id: 'lock', user_id: 'a:b', name: '' });
      const before = await keysNow();
      const names = before.filter((key) => key.toString().startsWith('project:')).map((key) => key.toString().slice(8));
      const ids = [...new Set(before.flatMap((key) => key.toString().split(':')))];
      for (const each of damages) await commit(each, await keysNow(), ids);
      const manifest = await bench.snapshot({ settings: { partBytes: 4096 } });
      const beyond = bench.port;
      const recorded = await recordedProjects(recordsOf(manifest), new Set(names), { beyond });
      const told = await inspectProjects(ALL, recorded.redis, recorded.pages(), names);
      const live = await inspectProjects(ALL, bench.port, pageOf(await keysNow()), names);
      expect(told.map(plain)).toEqual(live.map(plain));
    }),
    { numRuns: cases(12) },
  );
});

async function commit({ kind, family, key, ids, field, score }: Damage, keys: readonly Buffer[], known: string[]) {
  const { redis } = bench.database;
  const familyOf = (each: Buffer): string => classifyKey(each.toString()).family;
  const families = [...new Set(keys.map(familyOf))];
  const some = keys.filter((each) => familyOf(each) === families[family % families.length]);
  const name = some[key % some.length] ?? Buffer.from('feedback:created:lock');
  const members = ids.map((id) => (typeof id === 'number' ? (known[id % known.length] ?? '') : id));
  const [first = ''] = members;
  const added: Record<string, Command> = {
    set: ['SADD', name, ...members],
    zset: ['ZADD', name, ...members.flatMap((each) => [score, each])],
    hash: ['HSET', name, ...members.flatMap((each) => [each, first]), field, first],
    list: ['RPUSH', name, ...members],
    string: ['SET', name, first],
    stream: ['XADD', name, '*', field, first],
  };
  const parts = name.toString('latin1').split(':');
  parts[key % parts.length] = Buffer.from(first).toString('latin1');
  const type = await redis.type(name);
  const grown = kind === 'grow' ? added[type] : undefined;
  const commands: Partial<Record<typeof kind, Command[]>> = {
    grow: grown === undefined ? [] : [grown],
    field: type === 'hash' ? [first === '' ? ['HDEL', name, field] : ['HSET', name, field, first]] : [],
    rename: [['RENAME', name, Buffer.from(parts.join(':'), 'latin1')]],
  };
  const other = added[kind];
  await batch(redis, commands[kind] ?? [['DEL', name], ...(other === undefined ? [] : [other])]);
}

/** The context of a restore of everything. */
const ALL = {
  facts: { byProject: new Map(), externals: new Set<string>() },
  input: { scope: { all: true } },
} as unknown as RestoreContext;

async function* recordsOf(manifest: Manifest): AsyncGenerator<SourceRecord> {
  const ports = { store: bench.folder.store, encryptor: ageEncryptor({ recipients: [], identity: null }) };
  for (const part of manifest.parts.keys()) yield* sourceRecords(ports, manifest, part);
}

async function* pageOf(keys: readonly Buffer[]): AsyncGenerator<readonly ClassifiedKey[]> {
  yield await Promise.resolve(keys.map((key) => classifyKey(key.toString())));
}

/** With every id that breaks a rule. */
function plain({ report, idsOf }: FullReport): object {
  return { ...report, broken: (Object.keys(RULES) as Rule[]).map((rule) => [rule, ...[...idsOf(rule)].sort()]) };
}
