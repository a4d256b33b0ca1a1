import { cp, mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import { cli, cliJson, type Variables } from '../cli/fixture.js';
import { describeEngines } from '../support/describe-engines.js';
import { startJsonStandIn } from '../support/json-stand-in.js';
import { differences, dumpDatabase, dumpFromText, openPlain, type PlainDump } from '../support/plain-dump.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

const THEN = new Date('2026-11-24T15:00:00Z');
const HOME = join(import.meta.dirname, '../fixtures/snapshots-2026-11-24');

interface Made {
  readonly one: string;
  readonly two: string;
  readonly safety: string;
  readonly three: string;
  readonly unfinished: string;
  readonly projects: readonly [string, string];
}
type Keys = Record<'signingKey' | 'ageIdentity' | 'ageRecipient', string> & Record<'plain' | 'encrypted', Made>;

/** They hold fields that expire, which needs a newer server; the second newer one would show nothing that the first does not. */
await describeEngines('stores written on 24 November 2026', ({ name, program }) => {
  if (name !== 'redis 8') {
    it.skip('are restored to redis 8', () => undefined);
    return;
  }
  let database: TestDatabase;
  let standIn: UpstashRedisStandIn;
  let json: Awaited<ReturnType<typeof startJsonStandIn>>;
  let reader: Redis;
  let keys: Keys;
  const folders: string[] = [];
  beforeAll(async () => {
    database = await startTestDatabase(program);
    standIn = await startUpstashRedis({ redisUrl: database.url, token: 'test-token' });
    json = await startJsonStandIn(standIn.url);
    reader = openPlain(database.url);
    keys = JSON.parse(await readFile(join(HOME, 'keys.json'), 'utf8')) as Keys;
  });
  afterAll(async () => {
    reader.disconnect();
    await json.stop();
    await standIn.stop();
    await database.stop();
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => database.redis.flushall());

  const variables = async (kind: 'plain' | 'encrypted'): Promise<Variables> => {
    const folder = await mkdtemp(join(tmpdir(), 'old-store-'));
    folders.push(folder);
    await cp(join(HOME, kind, 'store'), folder, { recursive: true });
    // A lease's age is that of its object, and these are of that day.
    for (const name of await readdir(folder, { recursive: true })) await utimes(join(folder, name), THEN, THEN);
    return {
      UPSTASH_REDIS_REST_URL: json.url,
      UPSTASH_REDIS_REST_TOKEN: 'test-token',
      BACKUP_STORE: pathToFileURL(folder).href,
      BACKUP_SIGNING_KEY: keys.signingKey,
      RUN_LEASE_SECONDS: '3',
      ...(kind === 'plain' ? {} : { BACKUP_AGE_RECIPIENTS: keys.ageRecipient, BACKUP_AGE_IDENTITY: keys.ageIdentity }),
    };
  };
  const expected = async (kind: string, id: string): Promise<PlainDump> =>
    dumpFromText(await readFile(join(HOME, kind, 'expected', `${id}.json`), 'utf8'));
  // The database has another address than the one of that time, which makes it another source.
  const restore = ['restore', '--yes', '--local', '--no-reindex', '--no-settle', '--from-source'];

  it.each(['plain', 'encrypted'] as const)('are listed, shown and verified: %s', async (kind) => {
    const env = await variables(kind);
    const { one, two, safety, three, unfinished } = keys[kind];
    const listed = await cliJson(['list'], env);
    expect(listed.code).toBe(0);
    const all = listed.json['snapshots'] as { id: string }[];
    // The restore that was killed had saved what was there before it.
    expect(all.filter(({ id }) => id !== unfinished)).toMatchObject([
      { id: three, state: 'complete', purpose: 'backup', keys: (await expected(kind, three)).size },
      { id: safety, state: 'complete', purpose: 'safety' },
      { id: two, state: 'incomplete', purpose: 'backup' },
      { id: one, state: 'complete', purpose: 'backup', keys: (await expected(kind, one)).size },
    ]);
    for (const id of [two, three]) {
      const shown = await cliJson(['show', id], env);
      expect([id, shown.code]).toEqual([id, 0]);
      const verified = await cliJson(['verify', id, '--local'], env);
      expect(verified).toMatchObject({ code: 0, json: { snapshot: id, verified: true, depth: 'lines', findings: [] } });
    }
  });

  it.each(['plain', 'encrypted'] as const)('are restored byte for byte, whole and one project: %s', async (kind) => {
    const env = await variables(kind);
    const { one, three, projects } = keys[kind];
    for (const id of [one, three]) {
      const { code, stderr } = await cli([...restore, id], env);
      expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
      expect(differences(await expected(kind, id), await dumpDatabase(reader))).toEqual([]);
    }
    const [project] = projects;
    const before = await dumpDatabase(reader);
    const gone = [...before.keys()].filter((key) => key.includes(project) && !key.startsWith('user'));
    expect(gone.length).toBeGreaterThan(5);
    await database.redis.del(...gone.map((key) => Buffer.from(key, 'latin1')));
    await database.redis.set('not:of:the:project', 'stays');
    const { code, stderr } = await cli([...restore, three, '--project', project], env);
    expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    const stays = { type: 'string', expiresAt: null, value: 'stays' };
    // The lock of clustering comes and goes by itself, and is never restored.
    const counts = (key: string): boolean => !key.startsWith('cluster:lock:');
    const want = new Map([...before, ['not:of:the:project', stays]]);
    expect(differences(want, await dumpDatabase(reader), counts)).toEqual([]);
  });

  it.each(['plain', 'encrypted'] as const)(
    'hold a run that was killed, which ends and counts for nothing: %s',
    async (kind) => {
      const env = await variables(kind);
      const { unfinished, three } = keys[kind];
      await database.redis.set('key', 'value');
      expect((await cli(['backup', '--local'], env)).code).toBe(0);
      const all = (await cliJson(['list'], env)).json['snapshots'] as { id: string; purpose: string; state: string }[];
      const ids = all.filter(({ purpose, state }) => purpose === 'backup' && state === 'complete');
      expect(ids.map(({ id }) => id)).toContain(three);
      expect(ids.map(({ id }) => id)).not.toContain(unfinished);
      const run = await cli(['run', unfinished], env);
      expect(`${run.stdout}${run.stderr}`).not.toMatch(/Unexpected|defect|in progress/);
    },
  );
});
