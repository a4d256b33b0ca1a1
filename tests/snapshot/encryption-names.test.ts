import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import type { Redis } from 'ioredis';
import { ageEncryptor } from '../../lib/crypto/age.js';
import type { ObjectStore, RedisPort, Encryptor } from '../../lib/ports/index.js';
import { loadRun } from '../../lib/runs/records.js';
import { runRecordSchema } from '../../lib/runs/model.js';
import { parseCheckpoint } from '../../lib/snapshot/checkpoint.js';
import { openLedger } from '../../lib/snapshot/ledger.js';
import type { Manifest } from '../../lib/snapshot/manifest.js';
import { projectLabel } from '../../lib/snapshot/counts.js';
import { openSnapshotBench, type SnapshotBench, type Taken } from '../support/snapshot-bench.js';
import { readableWords } from './encryption-search.js';
import { intercept, ticking } from './intercept.js';

const run = promisify(execFile);
const PROJECTS = ['cmwhitefalcon01', 'cmbluelantern02'];
const FAILED = 'feedback:cmwhitefalcon01:tooheavyitem';
const UNSUPPORTED = 'feedback:created:cmbluelantern02';
const CHANGED = 'project:cmbluelantern02';
const BYTES = Buffer.from([0xff, 0xfe, ...Buffer.from('rawbytesname')]);
/** What a stranger must find nowhere: ids of projects and items, parts of key names, values. */
const WORDS = [...PROJECTS, 'tooheavyitem', 'ordinaryitem', 'hugecluster', 'rawbytesname', 'privatetitle', 'anymember'];
const SETTINGS = { partBytes: 4000, pageBytes: 1, inFlight: 1 };

describe('names in an encrypted snapshot', () => {
  let bench: SnapshotBench;
  let identity = '';
  let writer: Encryptor;
  let taken: Taken;
  let manifest: Manifest;
  let pagedMeanwhile = 0;
  const wholly = (): Encryptor => ageEncryptor({ recipients: [], identity });
  beforeAll(async () => {
    identity = await generateX25519Identity();
    const other = await identityToRecipient(await generateX25519Identity());
    writer = ageEncryptor({ recipients: [other, await identityToRecipient(identity)], identity: null });
    bench = await openSnapshotBench({ replyBytes: 20_000 });
    await load(bench.database.redis);
    const store = watched(bench.folder.store, (paged) => (pagedMeanwhile = Math.max(pagedMeanwhile, paged)));
    // Attempts so short that the big set is cut off in the middle, and stands in the checkpoint that is handed on.
    taken = await bench.take({ encryptor: writer, settings: SETTINGS, redis: troubled(bench), store, attemptMs: 5 });
    manifest = taken.manifest ?? (await Promise.reject(new Error(`no manifest: ${taken.run.error?.message ?? ''}`)));
  });
  afterAll(() => bench.stop());

  it('are encrypted one by one in the ledger, and decrypted only with the identity', async () => {
    expect(taken).toMatchObject({ run: { state: 'incomplete' }, manifest: { ledger: { failed: { count: 2 } } } });
    const { failed, unsupported, changedMeanwhile } = manifest.ledger;
    const sealed = [failed, unsupported, changedMeanwhile].flatMap(({ keys }) => keys);
    expect(sealed).toHaveLength(4);
    for (const { key } of sealed) expect(key).toEqual({ age: expect.stringMatching(/^[A-Za-z0-9+/]+=*$/) });
    const opened = await openLedger(wholly(), manifest.ledger);
    expect(opened.failed.keys.map(({ key }) => key)).toEqual(
      expect.arrayContaining([FAILED, { b: BYTES.toString('base64') }]),
    );
    expect(opened.unsupported.keys).toEqual([{ key: UNSUPPORTED, reason: 'type MBbloom--' }]);
    expect(opened.changedMeanwhile.keys).toEqual([{ key: CHANGED, reason: 'changed its type' }]);
    const stranger = ageEncryptor({ recipients: [], identity: await generateX25519Identity() });
    for (const encryptor of [writer, stranger])
      expect(await openLedger(encryptor, manifest.ledger)).toEqual(manifest.ledger);
  });

  it('can be read with age and jq', async () => {
    const home = join(bench.folder.folder, 'snapshots', manifest.id, 'manifest.json');
    const names = '.ledger.unsupported.keys[].key | objects | .age // empty';
    const key = join(bench.folder.folder, '..', `${manifest.id}.names.key`);
    await writeFile(key, identity, { mode: 0o600 });
    const pipe = 'jq -r "$1" "$2" | while read -r name; do echo "$name" | base64 -d | age -d -i "$3"; done';
    try {
      const { stdout } = await run('bash', ['-o', 'pipefail', '-ec', pipe, 'bash', names, home, key]);
      expect(stdout).toBe(UNSUPPORTED);
    } finally {
      await rm(key);
    }
  });

  it('of projects are labels, which a shell can compute', async () => {
    const shell = 'for project; do printf %s "$project" | sha256sum | cut -c1-16; done';
    const { stdout } = await run('sh', ['-c', shell, 'sh', ...PROJECTS]);
    const labels = stdout.trim().split('\n');
    expect(labels.map((label) => `sha256:${label}`)).toEqual(PROJECTS.map(projectLabel));
    // Of the first project all but the key that failed; of the second all but the one without a record form.
    expect(manifest.counts.byProject).toEqual({ [`sha256:${labels[0] ?? ''}`]: 43, [`sha256:${labels[1] ?? ''}`]: 1 });
  });

  it('do not change the counts of a verification, at both depths', async () => {
    for (const [encryptor, depth] of [
      [writer, 'stored-bytes'],
      [wholly(), 'lines'],
    ] as const) {
      const verified = await bench.verify(manifest.id, { encryptor });
      expect(verified).toMatchObject({ state: 'succeeded', result: { depth, findings: [] } });
    }
  });

  it('are in no object of the store when the run has ended, nor are values', async () => {
    expect(taken.attempts).toBeGreaterThan(1);
    expect(pagedMeanwhile).toBeGreaterThan(0);
    await bench.verify(manifest.id, { encryptor: writer });
    await bench.verify(manifest.id, { encryptor: wholly() });
    expect(await readableWords(bench.folder.folder, WORDS)).toEqual([]);
    const { record } = await loadRun(bench.folder.store, manifest.id);
    expect(record.checkpoint).toBeNull();
    const indexes: string[] = [];
    for await (const { name } of bench.folder.store.list(`runs/${manifest.id}/parts/`)) indexes.push(name);
    expect(indexes).toEqual([]);
  });

  it('are all found by the same search without encryption', async () => {
    const plain = await openSnapshotBench({ replyBytes: 20_000 });
    try {
      await load(plain.database.redis);
      const { id, manifest: stored } = await plain.take({ settings: SETTINGS, redis: troubled(plain) });
      expect(Object.keys(stored?.counts.byProject ?? {}).sort()).toEqual([...PROJECTS].sort());
      expect(stored?.ledger.unsupported.keys).toMatchObject([{ key: UNSUPPORTED }]);
      const found = await readableWords(plain.folder.folder, WORDS);
      for (const word of WORDS) expect(found.some((where) => where.startsWith(`${word} in `))).toBe(true);
      expect(found).toContain(`tooheavyitem in snapshots/${id}/manifest.json`);
    } finally {
      await plain.stop();
    }
  });
});

/** 45 keys of two projects and one of raw bytes; a single field larger than a reply makes a hash unreadable. */
async function load(redis: Redis): Promise<void> {
  const [first = '', second = ''] = PROJECTS;
  for (let at = 0; at < 40; at++) {
    const title = `privatetitle ${at} `.repeat(9);
    await redis.hset(`feedback:${first}:ordinaryitem${at}`, { id: `ordinaryitem${at}`, project_id: first, title });
  }
  await redis.hset(FAILED, 'body', 'privatetitle '.repeat(3000));
  await redis.hset(BYTES, 'body', 'privatetitle '.repeat(3000));
  await redis.zadd(UNSUPPORTED, 1, 'ordinaryitem1');
  await redis.hset(CHANGED, 'id', `privatetitle of ${second}`);
  await redis.set(`coding_plan:${first}:hugecluster`, '"privatetitle"');
  await redis.hset(`cluster:${first}:hugecluster`, 'id', 'hugecluster');
  const members = Array.from({ length: 900 }, (_, at) => `anymember ${at} ${'x'.repeat(40)}`);
  await redis.sadd(`cluster:${first}:hugecluster:items`, ...members);
}

/** SCAN names one key with a type that has no record form, and calls one a string that is a hash when it is read. */
function troubled(bench: SnapshotBench): RedisPort {
  const retyped = new Map([
    [UNSUPPORTED, 'MBbloom--'],
    [CHANGED, 'string'],
  ]);
  return intercept(ticking(bench), {
    after([scan], replies) {
      const [reply] = replies;
      if (scan?.[0] !== 'SCAN' || reply === undefined || !('value' in reply)) return replies;
      const [cursor, flat] = reply.value as [Buffer, Buffer[]];
      const types = flat.map((item, at) => {
        const type = at % 2 === 1 ? retyped.get(flat[at - 1]?.toString('latin1') ?? '') : undefined;
        return type === undefined ? item : Buffer.from(type);
      });
      return [{ value: [cursor, types] }];
    },
  });
}

/** A store that tells how many big keys each stored checkpoint of a snapshot holds. */
function watched(store: ObjectStore, onPaged: (paged: number) => void): ObjectStore {
  return {
    ...store,
    swap(name, body, etag) {
      if (name.endsWith('/run.json')) {
        const record = runRecordSchema.parse(JSON.parse(Buffer.from(body).toString()));
        if (record.checkpoint !== null) onPaged(parseCheckpoint(record.checkpoint).paged.length);
      }
      return store.swap(name, body, etag);
    },
  };
}
