import type { Redis } from 'ioredis';
import type { HuntDatabase } from './servers.js';
import { KEYS, type DataStep, type Kind, type When } from './steps.js';

type Argument = string | Buffer;

const NAMES: readonly Buffer[] = [
  ...Array.from({ length: KEYS - 6 }, (_, n) => Buffer.from(`k:${n}`)),
  Buffer.from([0xff, 0x00, 0x9f]),
  Buffer.from('__proto__'),
  Buffer.from('\ufeff{tag}*'),
  Buffer.from(''),
  // Lists of members: here of whatever is put into them, and of any type.
  Buffer.from('feedback:created:pa'),
  Buffer.from('feedback:unclustered:pb'),
];

export const PROJECTS = ['pa', 'pb'] as const;
const SOON_MS = 1_500;
const NOW_MS = 120;

export const nameOf = (key: number): Buffer => NAMES[key % KEYS] ?? Buffer.from('k:0');

/** Carries out a change from outside. What the server does not know, or refuses, is left out. */
export async function change(database: HuntDatabase, step: DataStep): Promise<void> {
  if (step.do === 'restart') return database.restart();
  const redis = database.redis();
  const run = async (...command: [string, ...Argument[]]): Promise<unknown> =>
    redis.callBuffer(...command).catch((error: unknown) => {
      if (error instanceof Error && error.name === 'ReplyError') return null;
      throw error;
    });
  switch (step.do) {
    case 'put':
      await run('DEL', nameOf(step.key));
      for (const command of valueOf(nameOf(step.key), step.kind, step.seed, step.size)) await run(...command);
      return expire(run, nameOf(step.key), step.when);
    case 'fill':
      for (let n = 0; n < step.count; n++) {
        for (const command of valueOf(Buffer.from(`bulk:${step.seed}:${n}`), step.kind, step.seed + n, 1 + (n % 4)))
          await run(...command);
      }
      return;
    case 'del':
      await run('DEL', nameOf(step.key));
      return;
    case 'expire':
      return expire(run, nameOf(step.key), step.when);
    case 'field-expire':
      return expireFields(run, nameOf(step.key), step.when);
    case 'rename':
      await run('RENAME', nameOf(step.key), nameOf(step.to));
      return;
    case 'flush':
      await run('FLUSHALL');
      return;
    case 'thin':
      return thin(redis, step.keep);
    case 'unsupported':
      await run('VADD', Buffer.concat([nameOf(step.key), Buffer.from(':v')]), 'VALUES', '2', '1', '0', 'one');
      return;
    case 'project':
      for (const command of projectOf(step.project, step.items, step.seed)) await run(...command);
      return;
    case 'drop-items':
      for (let n = 0; n < step.count; n++) {
        for (const command of dropItem(PROJECTS[step.project] ?? 'pa', n)) await run(...command);
      }
  }
}

type Run = (...command: [string, ...Argument[]]) => Promise<unknown>;

function timeOf(when: When): string | null {
  if (when === 'never') return null;
  if (when === 'far') return '4102444800000';
  if (when === 'huge') return '9007199254740993';
  return String(Date.now() + (when === 'soon' ? SOON_MS : NOW_MS));
}

async function expire(run: Run, name: Buffer, when: When): Promise<void> {
  const time = timeOf(when);
  await (time === null ? run('PERSIST', name) : run('PEXPIREAT', name, time));
}

async function expireFields(run: Run, name: Buffer, when: When): Promise<void> {
  // Servers take no field time beyond 2^46 ms.
  const time = timeOf(when === 'huge' ? 'far' : when);
  const fields = await run('HKEYS', name);
  if (!Array.isArray(fields) || fields.length === 0) return;
  const some = (fields as Buffer[]).slice(0, Math.ceil(fields.length / 2));
  const rest = ['FIELDS', String(some.length), ...some];
  await (time === null ? run('HPERSIST', name, ...rest) : run('HPEXPIREAT', name, time, ...rest));
}

/** All but every n-th key goes, as when somebody clears up too much. */
async function thin(redis: Redis, keep: number): Promise<void> {
  const names = ((await redis.callBuffer('KEYS', '*')) as Buffer[]).sort((a, b) => a.compare(b));
  const gone = names.filter((_, index) => index % keep !== 0);
  if (gone.length > 0) await redis.call('DEL', ...gone);
}

function valueOf(name: Buffer, kind: Kind, seed: number, size: number): [string, ...Argument[]][] {
  const word = (n: number): Argument => (n % 7 === 3 ? Buffer.from([0xff, n % 256, 0x00]) : `w${seed}-${n}`);
  const words = Array.from({ length: size }, (_, n) => word(n));
  switch (kind) {
    case 'string':
      return [['SET', name, seed % 5 === 0 ? Buffer.alloc(size * 40, seed % 256) : `v${seed}`.repeat(size)]];
    case 'list':
      return [['RPUSH', name, ...words, ...words.slice(0, 1)]];
    case 'set':
      return [['SADD', name, ...words]];
    case 'hash':
      return [
        [
          'HSET',
          name,
          ...words.flatMap((field, n) => [field, `value ${seed} ${n} ${'x'.repeat(size > 100 ? 70 : 3)}`]),
        ],
      ];
    case 'zset':
      return [
        ['ZADD', name, ...words.flatMap((member, n) => [n % 11 === 5 ? 'inf' : String(seed / 7 + n * 0.1), member])],
      ];
    case 'stream':
      return [
        ...words.map((field, n): [string, ...Argument[]] => [
          'XADD',
          name,
          `${seed + 1}-${n + 1}`,
          field,
          `entry ${n}`,
        ]),
        ['XGROUP', 'CREATE', name, 'readers', '0'],
        ['XREADGROUP', 'GROUP', 'readers', 'ada', 'COUNT', '2', 'STREAMS', name, '>'],
      ];
  }
}

/** A small project that is whole by the application's rules. */
function projectOf(index: number, items: number, seed: number): [string, ...Argument[]][] {
  const pid = PROJECTS[index] ?? 'pa';
  const ids = Array.from({ length: items }, (_, n) => `f${n}`);
  const at = (n: number): string => `${1_790_000_000 + n}.5`;
  const [clustered, loose] = [ids.filter((_, n) => n % 2 === 0), ids.filter((_, n) => n % 2 === 1)];
  return [
    [
      'HSET',
      `project:${pid}`,
      'id',
      pid,
      'user_id',
      'u1',
      'name',
      `Project ${seed}`,
      'created_at',
      '2026-01-01T00:00:00+00:00',
    ],
    ['SADD', 'user:projects:u1', pid],
    ...ids.map((id, n): [string, ...Argument[]] => [
      'HSET',
      `feedback:${pid}:${id}`,
      'id',
      id,
      'project_id',
      pid,
      'source',
      'manual',
      'title',
      `Title ${n}`,
      'body',
      `Body ${seed} ${n}`,
      'created_at',
      '2026-01-02T00:00:00+00:00',
    ]),
    ['ZADD', `feedback:created:${pid}`, ...ids.flatMap((id, n) => [at(n), id])],
    ['ZADD', `feedback:source:${pid}:manual`, ...ids.flatMap((id, n) => [at(n), id])],
    ...(loose.length > 0 ? [['SADD', `feedback:unclustered:${pid}`, ...loose] as [string, ...Argument[]]] : []),
    [
      'HSET',
      `cluster:${pid}:c1`,
      'id',
      'c1',
      'project_id',
      pid,
      'title',
      `Cluster ${seed}`,
      'status',
      'new',
      'created_at',
      '2026-01-02T00:00:00+00:00',
    ],
    ['ZADD', `clusters:${pid}:all`, at(0), 'c1'],
    ['SADD', `cluster:${pid}:c1:items`, ...clustered],
    [
      'HSET',
      `job:j${pid}`,
      'id',
      `j${pid}`,
      'project_id',
      pid,
      'cluster_id',
      'c1',
      'status',
      seed % 2 === 0 ? 'running' : 'succeeded',
    ],
  ];
}

function dropItem(pid: string, n: number): [string, ...Argument[]][] {
  return [
    ['DEL', `feedback:${pid}:f${n}`],
    ['ZREM', `feedback:created:${pid}`, `f${n}`],
    ['ZREM', `feedback:source:${pid}:manual`, `f${n}`],
    ['SREM', `feedback:unclustered:${pid}`, `f${n}`],
    ['SREM', `cluster:${pid}:c1:items`, `f${n}`],
  ];
}

/** Whether a key is a project's, by the grammar of the keys that `projectOf` makes. */
export function isOfProject(key: string, pid: string): boolean {
  return (
    [
      `project:${pid}`,
      `feedback:created:${pid}`,
      `feedback:unclustered:${pid}`,
      `clusters:${pid}:all`,
      `job:j${pid}`,
    ].includes(key) ||
    [`feedback:${pid}:`, `feedback:source:${pid}:`, `cluster:${pid}:`].some((start) => key.startsWith(start))
  );
}
