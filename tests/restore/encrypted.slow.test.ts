import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ageEncryptor } from '../../lib/crypto/age.js';
import type { Encryptor } from '../../lib/ports/index.js';
import type { InspectedProject } from '../../lib/restore/inspect-task.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { loadManifest } from '../../lib/snapshot/manifest.js';
import { projectLabel } from '../../lib/snapshot/counts.js';
import { readableWords } from '../snapshot/encryption-search.js';
import { intercept } from '../snapshot/intercept.js';
import { changes, type Dump } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const PROJECT = 'cmwhitefalcon01';
/** What a stranger must find nowhere: ids of projects, users, jobs, clusters and items, parts of key names, values. */
const WORDS = [PROJECT, 'cmbluelantern02', 'secretuser', 'secretjob', 'secretcluster', 'secretitem', 'privatetitle'];

describe('an encrypted snapshot', () => {
  let bench: RestoreBench;
  let encryptor: Encryptor;
  let snapshot = '';
  let whole: Dump = {};
  beforeAll(async () => {
    const identity = await generateX25519Identity();
    encryptor = ageEncryptor({ recipients: [await identityToRecipient(identity)], identity });
  });
  beforeEach(async () => {
    bench = await openRestoreBench();
    await load();
    whole = await bench.dump();
    snapshot = (await bench.snapshot({ encryptor, settings: { partBytes: 2000, pageBytes: 1 } })).id;
    const { redis } = bench.database;
    await redis.hset(`feedback:${PROJECT}:secretitem3`, 'title', 'changed');
    await redis.del('job:secretjob1', `project:${PROJECT}`);
    await redis.set('coding_plan:cmbluelantern02:secretcluster9', 'later');
    await redis.set(`config:sentry:${PROJECT}:later`, 'later');
  });
  afterEach(() => bench.stop());

  async function load(): Promise<void> {
    const { redis } = bench.database;
    for (const project of [PROJECT, 'cmbluelantern02']) {
      await redis.hset(`project:${project}`, { id: project, user_id: 'secretuser' });
      await redis.sadd('user:projects:secretuser', project);
      for (let at = 0; at < 12; at++) {
        await redis.hset(`feedback:${project}:secretitem${at}`, { title: `privatetitle ${at} `.repeat(5) });
      }
      // Listed and not there: a violation that names ids.
      await redis.zadd(`feedback:created:${project}`, 1, 'secretitem99');
      await redis.hset(`cluster:${project}:secretcluster1`, { id: 'secretcluster1' });
    }
    await redis.hset('job:secretjob1', { project_id: PROJECT, cluster_id: 'secretcluster1', status: 'done' });
  }

  /** The runs' records without what was asked for: that names the project which is to be restored. */
  async function forgetInputs(): Promise<void> {
    for await (const id of bench.folder.store.folders('runs/')) {
      const path = join(bench.folder.folder, 'runs', id, 'run.json');
      const record = JSON.parse(await readFile(path, 'utf8')) as RunRecord;
      const result = { ...(record.result as Record<string, unknown>), scope: null, vectorScope: null };
      await writeFile(path, JSON.stringify({ ...record, input: null, result }));
    }
  }

  it('is restored whole, and no object in the store contains a name before or after', async () => {
    const run = await bench.restore(snapshot, {}, { encryptor });
    expect(run).toMatchObject({
      state: 'succeeded',
      result: { removed: 2, plan: { total: { write: 2, overwrite: 1 } } },
    });
    expect(changes(whole, await bench.dump())).toEqual([]);
    expect(await readableWords(bench.folder.folder, WORDS)).toEqual([]);
  });

  it('refuses a project that it does not hold, with the command that lists the ids', async () => {
    const run = await bench
      .restore(snapshot, { scope: { project: projectLabel(PROJECT) } }, { encryptor })
      .catch((error: unknown) => ({ error }));
    expect(run.error).toMatchObject({
      code: 'not-found',
      hint: expect.stringContaining('--family project') as unknown,
    });
  });

  it('is restored for one project, and only the request contains its id', async () => {
    const run = await bench.restore(snapshot, { scope: { project: PROJECT } }, { encryptor });
    expect(run).toMatchObject({ state: 'succeeded', input: { scope: { project: PROJECT } } });
    expect(changes(whole, await bench.dump())).toEqual(['coding_plan:cmbluelantern02:secretcluster9']);
    const { projects } = run.result as unknown as { projects: InspectedProject[] };
    expect(projects.map(({ project }) => project)).toEqual([projectLabel(PROJECT)]);
    expect(projects[0]?.violations).toContainEqual(
      expect.objectContaining({ rule: 'created-without-hash', count: 1, inSnapshot: 1, examples: [] }),
    );
    await forgetInputs();
    expect(await readableWords(bench.folder.folder, WORDS)).toEqual([]);
  });

  it('is restored for keys and for an item, and undone, and only the request contains their names', async () => {
    const { redis } = bench.database;
    await redis.del(`feedback:${PROJECT}:secretitem5`);
    const before = await bench.dump();
    const keys = { projects: [PROJECT], families: ['feedback'], matches: ['*secretitem3'], keys: [] };
    for (const scope of [keys, { items: [{ project: PROJECT, id: 'secretitem5' }] }]) {
      const run = await bench.restore(snapshot, { scope }, { encryptor });
      expect(run).toMatchObject({ result: { proof: { total: { missing: 0, different: 0 } } } });
      expect((await loadManifest(bench.folder.store, run.id))?.manifest.undoes).toEqual({
        project: null,
        target: null,
        scope: { age: expect.any(String) as unknown },
      });
      const undone = await bench.restore(run.id, { settle: null }, { encryptor });
      expect(undone).toMatchObject({ state: 'succeeded', input: { scope, undoes: true } });
      expect(changes(before, await bench.dump())).toEqual([]);
      const blind = ageEncryptor({ recipients: [encryptor.recipients[0] ?? ''], identity: null });
      await expect(bench.start(run.id, {}, { encryptor: blind })).rejects.toMatchObject({ code: 'wrong-key' });
    }
    await forgetInputs();
    expect(await readableWords(bench.folder.folder, WORDS)).toEqual([]);
  });

  it('is not restored when the proof of lists could not read the safety snapshot', async () => {
    const { recipients } = encryptor;
    const other = ageEncryptor({ recipients, identity: await generateX25519Identity() });
    const plain = (await bench.snapshot()).id;
    await bench.database.redis.zadd(`feedback:created:${PROJECT}`, 2, 'secretitem1');
    const before = await bench.dump();
    const item = { items: [{ project: PROJECT, id: 'secretitem5' }] };
    for (const blind of [ageEncryptor({ recipients, identity: null }), other]) {
      for (const ask of [{ mode: 'merge' }, { mode: 'missing' }, { scope: item }] as const) {
        const run = await bench.restore(plain, ask, { encryptor: blind });
        expect(run).toMatchObject({ state: 'failed', error: { code: 'wrong-key' } });
        expect(run.error?.message).toContain('Nothing was written');
        expect(changes(before, await bench.dump())).toEqual([]);
      }
      expect(await bench.restore(plain, { mode: 'merge', dryRun: true }, { encryptor: blind })).toMatchObject({
        state: 'succeeded',
      });
    }
    const blind = ageEncryptor({ recipients, identity: null });
    for (const ask of [{ mode: 'replace' }, { mode: 'merge', safety: false }] as const)
      expect(await bench.restore(plain, ask, { encryptor: blind })).toMatchObject({ state: 'succeeded' });
  });

  it('leaves no name in the store after a dry run', async () => {
    const run = await bench.restore(snapshot, { scope: { project: PROJECT }, dryRun: true }, { encryptor });
    expect(run).toMatchObject({ state: 'succeeded', result: { plan: { total: { remove: 1 } } } });
    await forgetInputs();
    expect(await readableWords(bench.folder.folder, WORDS)).toEqual([]);
  });

  it('encrypts the names of keys that fail the proof', async () => {
    const redis = intercept(bench.port, {
      after: async (commands, replies) => {
        if (commands.some(([name]) => name === 'UNLINK')) await bench.database.redis.del('job:secretjob1');
        return replies;
      },
    });
    const run = await bench.restore(snapshot, {}, { encryptor, redis });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' } });
    const { examples } = (run.result as unknown as { proof: { examples: { key: { age: string } }[] } }).proof;
    const opened = await Promise.all(examples.map(({ key }) => encryptor.open(Buffer.from(key.age, 'base64'), '.age')));
    expect(opened.map((bytes) => Buffer.from(bytes).toString())).toEqual(['job:secretjob1']);
    expect(await readableWords(bench.folder.folder, WORDS)).toEqual([]);
  });

  it('contains all names when nothing is encrypted, so the search for names works', async () => {
    await load();
    const { id } = await bench.snapshot();
    await bench.restore(id, { scope: { project: PROJECT } });
    const found = await readableWords(bench.folder.folder, WORDS);
    expect(WORDS.filter((word) => !found.some((where) => where.startsWith(`${word} in `)))).toEqual([]);
  });
});
