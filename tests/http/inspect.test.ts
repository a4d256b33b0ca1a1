import { gunzipSync } from 'node:zlib';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { operator } from '../../lib/http/operator.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { dumpDatabase, openPlain } from '../support/plain-dump.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';

const TOKEN = 'an-admin-token-of-some-length';
const SETTINGS = { partBytes: 2_000, pageBytes: 500, inFlight: 1 };

let bench: SnapshotBench;
let server: Awaited<ReturnType<typeof startUpstashRedis>>;
let id = '';
let sealed = '';
let identity = '';
const before = { ...process.env };
beforeAll(async () => {
  bench = await openSnapshotBench();
  const { redis, url } = bench.database;
  await redis.mset(
    Array.from({ length: 150 }, (_, at) => [`filler:${String(at).padStart(3, '0')}`, 'x'.repeat(40)]).flat(),
  );
  await redis.hset('feedback:p:1', { title: 'A [title]', body: 'b' });
  await redis.hset('job:j1', { project_id: 'p', status: 'failed' });
  await redis.set(Buffer.from([0x6b, 0xff]), 'no text');
  await redis.sadd('odd*[key', ...Array.from({ length: 60_000 }, (_, at) => `member ${at} ${'y'.repeat(30)}`));
  id = (await bench.takeWhole({ settings: SETTINGS })).id;
  identity = await generateX25519Identity();
  const encryptor = ageEncryptor({ recipients: [await identityToRecipient(identity)], identity: null });
  sealed = (await bench.takeWhole({ settings: SETTINGS, encryptor })).id;
  server = await startUpstashRedis({ redisUrl: url, token: 'token-of-the-database' });
  Object.assign(process.env, {
    ADMIN_TOKEN: TOKEN,
    BACKUP_STORE: pathToFileURL(bench.folder.folder).href,
    UPSTASH_REDIS_REST_URL: server.url,
    UPSTASH_REDIS_REST_TOKEN: 'token-of-the-database',
  });
});
afterAll(async () => {
  process.env = before;
  await server.stop();
  await bench.stop();
});

const ask = (path: string, token: string | null = TOKEN): Promise<Response> =>
  operator(
    new Request(
      `http://127.0.0.1/api/snapshots/${path}`,
      token === null ? {} : { headers: { authorization: `Bearer ${token}` } },
    ),
  );
type Body = Record<string, unknown> & { keys: { key: unknown }[]; next: string | null };
const get = async (path: string): Promise<Body & { status: number }> => {
  const answer = await ask(path);
  return { ...((await answer.json()) as Body), status: answer.status };
};

describe('inspecting a snapshot over HTTP', () => {
  it('requires the admin token for every address', async () => {
    for (const path of [id, `${id}/keys`, `${id}/keys/value?key=a`, `${id}/diff?with=live`, `${id}/download`]) {
      expect((await ask(path, null)).status).toBe(401);
      expect((await ask(path, 'another-token-of-some-length')).status).toBe(401);
    }
    expect((await operator(new Request(`http://127.0.0.1/api/snapshots/${id}/keys`, { method: 'POST' }))).status).toBe(
      405,
    );
  });

  it('shows its contents', async () => {
    const shown = await get(id);
    expect(shown).toMatchObject({
      status: 200,
      id,
      keys: 154,
      pinned: null,
      counts: { byFamily: { feedback: 1, job: 1 } },
    });
    expect(await get('20200101T000000Z-000000')).toMatchObject({ status: 404, code: 'not-found' });
  });

  it('pages through the selected keys, each once', async () => {
    const seen: unknown[] = [];
    let pages = 0;
    for (let after: string | null = ''; after !== null; pages++) {
      const page: Body = await get(`${id}/keys?limit=40${after === '' ? '' : `&after=${after}`}`);
      seen.push(...page.keys.map(({ key }) => JSON.stringify(key)));
      after = page.next;
    }
    expect(pages).toBeGreaterThan(3);
    expect(new Set(seen).size).toBe(154);
    expect(seen).toHaveLength(154);
    const keysOf = async (query: string) => (await get(`${id}/keys?${query}`)).keys.map(({ key }) => key);
    expect((await keysOf('prefix=filler:00')).length).toBe(10);
    expect(await keysOf(`prefix=${encodeURIComponent('odd*[')}`)).toEqual(['odd*[key']);
    expect(await keysOf('contains=dback:p')).toEqual(['feedback:p:1']);
    expect((await keysOf('project=p')).sort()).toEqual(['feedback:p:1', 'job:j1']);
    expect(await keysOf('project=p&family=job')).toEqual(['job:j1']);
    const twice = ['prefix=filler:00&prefix=odd', 'contains=a&contains=b', 'after=0.1&after=0.2'];
    for (const query of ['limit=0', 'limit=1001', 'after=x', 'famly=job', 'prefix=a&contains=b', ...twice])
      expect([query, (await get(`${id}/keys?${query}`)).status]).toEqual([query, 422]);
    expect((await get(`${id}/keys?family=jobs`)).status).toBe(400);
  });

  it('returns one value, unless it is too large for an answer', async () => {
    const value = await get(`${id}/keys/value?key=feedback:p:1`);
    expect(value).toMatchObject({ type: 'hash', family: 'feedback', project: 'p', more: false });
    expect(value['lines']).toMatchObject([{ k: 'feedback:p:1', v: expect.arrayContaining([['title', 'A [title]']]) }]);
    expect(await get(`${id}/keys/value?key=${encodeURIComponent('base64:a/8=')}`)).toMatchObject({
      key: { b: 'a/8=' },
    });
    expect((await get(`${id}/keys/value?key=nobody`)).status).toBe(404);
    expect(await get(`${id}/keys/value?key=${encodeURIComponent('odd*[key')}`)).toMatchObject({
      status: 413,
      code: 'too-large',
    });
    expect((await get(`${id}/keys/value`)).status).toBe(422);
    expect((await get(`${id}/keys/value?key=nobody&key=nobody`)).status).toBe(422);
  });

  it('opens an encrypted one only with the identity', async () => {
    for (const path of ['/keys', '/keys/value?key=feedback:p:1', '/diff?with=live', '/download'])
      expect(await get(`${sealed}${path}`)).toMatchObject({ status: 422, code: 'wrong-key' });
    expect((await get(sealed)).status).toBe(200);
    process.env['BACKUP_AGE_IDENTITY'] = identity;
    expect(await get(`${sealed}/keys/value?key=feedback:p:1`)).toMatchObject({ status: 200, type: 'hash' });
    delete process.env['BACKUP_AGE_IDENTITY'];
  });

  it('compares it with the database and with another snapshot', async () => {
    expect((await get(`${id}/diff?with=${id}`))['counts']).toEqual(
      expect.arrayContaining([expect.objectContaining({ family: 'job', same: 1, changed: 0 })]),
    );
    await bench.database.redis.hset('feedback:p:1', 'body', 'changed');
    const live = await get(`${id}/diff?with=live&keys=true&project=p`);
    expect(live).toMatchObject({ to: 'live', more: false, changes: [{ change: 'changed', key: 'feedback:p:1' }] });
    await bench.database.redis.hset('feedback:p:1', 'body', 'b');
    for (const query of ['keys=yes', 'keys=', 'keys=true&keys=false', `with=live&with=${id}`])
      expect([query, await get(`${id}/diff?${query}`)]).toMatchObject([query, { status: 422, code: 'invalid' }]);
    expect((await get(`${id}/diff?with=${id}&keys=false`))['changes']).toBeUndefined();
    expect(await get(`${id}/diff?with=live&project=mistyped`)).toMatchObject({ status: 404, code: 'not-found' });
    const hash = await get(`${id}/keys?project=sha256:19b9941974e099a3`);
    expect(hash).toMatchObject({ status: 400, detail: expect.stringContaining("hash of a project's id") as unknown });
  });

  it('is downloaded as the export that a restore takes, key by key what the database has', async () => {
    const answer = await ask(`${id}/download`);
    expect([answer.status, answer.headers.get('content-disposition')]).toEqual([
      200,
      `attachment; filename="${id}.jsonl.gz"`,
    ]);
    const lines = gunzipSync(Buffer.from(await answer.arrayBuffer()))
      .toString()
      .trimEnd()
      .split('\n');
    const [head = '', ...rest] = lines;
    expect(JSON.parse(head)).toMatchObject({ 'soulcaster-backup': 'export', snapshot: id, selection: null });
    expect(JSON.parse(rest.pop() ?? '')).toMatchObject({ 'soulcaster-backup': 'end', lines: rest.length });
    const records = rest.map((line) => JSON.parse(line) as { k: string | { b: string }; i?: number });
    const plain = openPlain(bench.database.url);
    const there = [...(await dumpDatabase(plain)).keys()].sort();
    plain.disconnect();
    const names = records
      .filter(({ i }) => (i ?? 0) === 0)
      .map(({ k }) =>
        Buffer.from(typeof k === 'string' ? k : k.b, typeof k === 'string' ? 'utf8' : 'base64').toString('latin1'),
      );
    expect(names.sort()).toEqual(there);
    const jobs = await ask(`${id}/download?family=job`);
    expect(
      gunzipSync(Buffer.from(await jobs.arrayBuffer()))
        .toString()
        .trimEnd()
        .split('\n'),
    ).toHaveLength(3);
    expect((await ask(`${id}/download?prefix=nothing-like-it`)).status).toBe(404);
  });
});
