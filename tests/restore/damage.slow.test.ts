import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ObjectStore, StoredObject } from '../../lib/ports/store.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { signManifest, type Manifest } from '../../lib/snapshot/manifest.js';
import { manifestName } from '../../lib/snapshot/names.js';
import { changes } from '../support/dumps.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

describe('a part that was altered', () => {
  let bench: RestoreBench;
  let manifest: Manifest;
  beforeAll(async () => {
    bench = await openRestoreBench();
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    const { redis } = bench.database;
    await redis.flushall();
    const many = redis.pipeline();
    for (let at = 0; at < 900; at++) many.hset(`feedback:p:${at}`, { id: `${at}`, body: `text ${at}` });
    await many.exec();
    manifest = await bench.snapshot({ settings: { partBytes: 10_000, pageBytes: 1 } });
    expect(manifest.parts.length).toBeGreaterThan(3);
    await redis.hset('feedback:p:7', 'body', 'changed');
    await redis.set('later', '1');
  });

  const pathOf = (part: number): string =>
    join(bench.folder.folder, 'snapshots', manifest.id, manifest.parts[part]?.name ?? '');

  type Damage = readonly [code: string, damage: (path: string) => Promise<void>];
  const DAMAGES: readonly Damage[] = [
    ['part-missing', (path) => rm(path)],
    ['part-truncated', async (path) => writeFile(path, (await readFile(path)).subarray(0, -9))],
    [
      'part-altered',
      async (path) => {
        const bytes = await readFile(path);
        bytes[bytes.length - 3] = (bytes.at(-3) ?? 0) ^ 0x10;
        await writeFile(path, bytes);
      },
    ],
    ['part-swapped', async (path) => writeFile(path, await readFile(pathOf(0)))],
  ];

  /** The restore, with parts that are damaged after the store was listed: a listing shows some damage. */
  async function damagedMeanwhile(ask: object, damage: () => Promise<void>) {
    const { store } = bench.folder;
    const before: StoredObject[] = [];
    for await (const object of store.list(`snapshots/${manifest.id}/`)) before.push(object);
    await damage();
    const listed: ObjectStore = {
      ...store,
      async *list(prefix) {
        yield* prefix === `snapshots/${manifest.id}/` ? before : store.list(prefix);
      },
    };
    return bench.restore(manifest.id, ask, { store: listed });
  }

  it.each(DAMAGES)('fails the restore before its first write, and is named: %s', async (code, damage) => {
    const last = manifest.parts.length - 1;
    const whole = await readFile(pathOf(last));
    const [before, writes] = [await bench.dump(), bench.writes()];
    const scopes = [{ all: true } as const, { project: 'p' }];
    for (const [scope, dryRun] of scopes.flatMap((each) => [[each, true] as const, [each, false] as const])) {
      await writeFile(pathOf(last), whole);
      const run = await damagedMeanwhile({ scope, dryRun }, () => damage(pathOf(last)));
      expect(run).toMatchObject({ state: 'failed', error: { code: 'damaged' } });
      expect(run.error?.message).toContain(`${code} snapshots/${manifest.id}/${manifest.parts[last]?.name ?? ''}`);
      expect(run.error?.message).toContain('Nothing was written');
      expect(run.result).toMatchObject({ findings: [{ code }] });
    }
    expect(bench.writes()).toBe(writes);
    expect(changes(before, await bench.dump())).toEqual([]);
    const left: string[] = [];
    for await (const { name } of bench.folder.store.list(`snapshots/`)) left.push(name);
    expect(left.filter((name) => name.endsWith('/manifest.json')).at(-1)).toContain(manifest.id);
  });

  it('names every damaged part', async () => {
    const run = await damagedMeanwhile({}, async () => {
      await rm(pathOf(1));
      await rm(pathOf(2));
    });
    expect((run.result as { findings: unknown[] }).findings).toHaveLength(2);
  });

  it('is refused at once when the listing shows it', async () => {
    await rm(pathOf(1));
    const refusal = { code: 'not-restorable', message: expect.stringContaining('1 of the ') };
    await expect(bench.restore(manifest.id)).rejects.toMatchObject(refusal);
  });

  it('fails the restore during the write too, when it is altered after the check', async () => {
    let reads = 0;
    const { store } = bench.folder;
    const name = `snapshots/${manifest.id}/${manifest.parts[1]?.name ?? ''}`;
    const altering: ObjectStore = {
      ...store,
      async read(wanted) {
        const found = await store.read(wanted);
        // Read when it is checked and for the plan; the third is for the writing.
        if (wanted !== name || found === null || ++reads < 3) return found;
        return { ...found, body: Buffer.concat([found.body, Buffer.from('x')]) };
      },
    };
    await bench.database.redis.flushall();
    const run = await bench.restore(manifest.id, {}, { store: altering, inline: 1 });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'damaged' } });
    expect(run.error?.message).toContain(name);
    expect((await bench.restore(manifest.id)).state).toBe('succeeded');
  });

  it.each(['plan', 'write'])(
    'fails the restore when the manifest is replaced by another valid one after phase %s began',
    async (phase) => {
      const { store } = bench.folder;
      const { seal, ...body } = manifest;
      const other = signManifest({ ...body, createdAt: new Date(0).toISOString() }, UNSIGNED);
      expect(seal.signature).toBeNull();
      let swapped = false;
      const swapping: ObjectStore = {
        ...store,
        async read(name) {
          const found = await store.read(name);
          return swapped && name === manifestName(manifest.id) && found !== null ? { ...found, body: other } : found;
        },
        async swap(name, next, etag) {
          swapped ||= name.endsWith('/run.json') && Buffer.from(next).toString().includes(`"phase": "${phase}"`);
          return store.swap(name, next, etag);
        },
      };
      const before = await bench.dump();
      const run = await bench.restore(manifest.id, {}, { store: swapping });
      expect([swapped, run]).toMatchObject([true, { state: 'failed', phase, error: { code: 'damaged' } }]);
      expect(run.error?.message).toContain('was replaced while a run was using it');
      expect(changes(before, await bench.dump())).toEqual([]);
      expect((await bench.restore(manifest.id)).state).toBe('succeeded');
    },
  );
});

describe('two runs at the same time', () => {
  let bench: RestoreBench;
  let snapshot = '';
  let running = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
    await bench.database.redis.hset('project:p', 'id', 'p');
    snapshot = (await bench.snapshot()).id;
    const started = await bench.start(snapshot);
    if (!started.started) throw new Error(started.holder);
    running = started.run.id;
  });
  afterAll(() => bench.stop());

  it('are not two restores: the second is refused and names the holder', async () => {
    const asks = [{}, { scope: { project: 'p' } }, { mode: 'missing' as const }];
    for (const ask of asks) expect(await bench.start(snapshot, ask)).toMatchObject({ started: false, holder: running });
  });

  it('are not a restore and a snapshot', async () => {
    expect(await startSnapshot(bench.engine(), 'cli')).toMatchObject({ started: false, holder: running });
  });

  it('may be a restore and a dry run, or a restore into another database', async () => {
    expect(await bench.restore(snapshot, { dryRun: true })).toMatchObject({ state: 'succeeded' });
    const other = await openRestoreBench();
    try {
      const run = await bench.restore(snapshot, { target: 'other' }, { targets: { other: other.port } });
      expect(run).toMatchObject({ state: 'succeeded' });
    } finally {
      await other.stop();
    }
  });

  it('may run one after the other', async () => {
    expect(await bench.work(running)).toMatchObject({ state: 'succeeded' });
    expect(await bench.restore(snapshot)).toMatchObject({ state: 'succeeded' });
  });
});
