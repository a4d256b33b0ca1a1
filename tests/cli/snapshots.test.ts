import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fullApp } from '../../lib/app/app.js';
import { manifestSchema } from '../../lib/snapshot/manifest.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { cli, cliJson, openStack, type CliStack, type Variables } from './fixture.js';

let stack: CliStack;
beforeAll(async () => (stack = await openStack()));
afterAll(() => stack.stop());

async function taken(env: Variables): Promise<string> {
  const { code, json } = await cliJson(['backup', '--local'], env);
  expect(code).toBe(0);
  return String(json['snapshot']);
}

describe('backup', () => {
  it('takes a snapshot in this process and prints its contents', async () => {
    const env = await stack.alone();
    const { code, stdout, stderr } = await cli(['backup'], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Snapshot \d{8}T\d{6}Z-\w{6} is complete/);
    for (const fact of ['hash', 'parts', 'compressed', 'duplicates', 'ledger', 'commands', '$', 'time'])
      expect(stdout).toContain(fact);
    expect(stderr).toContain('running in this process');
    expect(stderr).not.toMatch(/warning|error/);
  });

  it('takes a snapshot over the queue, and follows the run to its end', async () => {
    const before = stack.queue.deliveries.length;
    const { code, stderr, json } = await cliJson(['backup'], stack.env);
    expect([code, json['state'], json.error]).toEqual([0, 'succeeded', null]);
    expect(stderr).toContain('handed over to the queue');
    // The run is over a little before its message is answered.
    while (stack.queue.deliveries.length === before) await delay(10);
  });

  it('prints one document with --json', async () => {
    const { json } = await cliJson(['backup'], await stack.alone());
    expect(json).toMatchObject({ state: 'succeeded', error: null, result: { state: 'complete', failed: 0 } });
    expect(json['run']).toBe(json['snapshot']);
    expect(json['milliseconds']).toEqual(expect.any(Number));
  });

  it('exits with 11 and names the run in progress', async () => {
    const env = await stack.alone();
    const other = await startSnapshot(fullApp(env).engine, 'cron');
    const { code, json } = await cliJson(['backup', '--local'], env);
    expect([code, json.error?.code]).toEqual([11, 'locked']);
    expect(other.started && json.error?.message).toContain(other.started ? other.run.id : 'no run');
  });
});

describe('list', () => {
  it('marks pinned snapshots, and names ids without a manifest, which forget removes', async () => {
    const env = await stack.alone();
    const id = await taken(env);
    expect((await cli(['snapshots', 'pin', id, '--reason', 'kept'], env)).code).toBe(0);
    const orphan = '20261101T100000Z-k2m9x7';
    const folder = join(fileURLToPath(env['BACKUP_STORE'] ?? ''), 'snapshots', orphan);
    await mkdir(folder);
    await writeFile(join(folder, 'part-00000-0001.jsonl.gz'), 'what an import left that was killed');
    const { json } = await cliJson(['list'], env);
    expect(json).toMatchObject({ snapshots: [{ id, pinned: true }], unfinished: [orphan] });
    const { stderr, stdout } = await cli(['list'], env);
    expect(stdout).toContain('trusted, pinned');
    expect(stderr).toContain(`no manifest: ${orphan}`);
    expect((await cli(['snapshots', 'forget', orphan, '--reason', 'killed'], env)).stdout).toContain('The remains of');
    expect((await cliJson(['list'], env)).json['unfinished']).toEqual([]);
  });

  it('reports an empty store', async () => {
    const env = await stack.alone();
    const host = new URL(env['UPSTASH_REDIS_REST_URL'] ?? '').host;
    const deployment = { database: host, label: null, store: env['BACKUP_STORE'] };
    expect((await cliJson(['list'], env)).json).toMatchObject({ snapshots: [], more: false, deployment });
  });

  it('lists the newest first, up to the limit', async () => {
    const env = await stack.alone();
    const ids = [await taken(env), await taken(env)].sort().reverse();
    const text = await cli(['list'], env);
    expect(text.stdout.split('\n')).toEqual([
      expect.stringMatching(/^ID +AGE +STATE +VERIFIED +TRUST +KEYS +SIZE +PARTS +DATABASE$/),
      expect.stringMatching(new RegExp(`^${ids[0] ?? ''} .* complete +yes +trusted .* this$`)),
      expect.stringMatching(new RegExp(`^${ids[1] ?? ''} .* complete +yes +trusted .* this$`)),
    ]);
    const { json } = await cliJson(['list', '--limit', '1'], env);
    expect(json).toMatchObject({
      snapshots: [{ id: ids[0], state: 'complete', verified: true, parts: 1 }],
      more: true,
    });
  });
});

describe('show', () => {
  it('reports a manifest, by id and as the latest', async () => {
    const env = await stack.alone();
    const id = await taken(env);
    const { code, stdout } = await cli(['show', id], env);
    expect(code).toBe(0);
    for (const word of ['TYPE', 'FAMILY', 'PROJECT', 'PART', 'ledger', 'previous', 'window', 'signed', 'part-00000'])
      expect(stdout).toContain(word);
    const { json } = await cliJson(['show', 'latest'], env);
    expect(manifestSchema.parse(json['manifest']).id).toBe(id);
    expect(json['verification']).toMatchObject({ state: 'verified' });
  });

  it.each(['latest', '20261122T020000Z-x7k2m9', '../../etc/passwd'])(
    'exits with 10 when there is no %s',
    async (id) => {
      const { code, json } = await cliJson(['show', id], await stack.alone());
      expect([code, json.error?.code]).toEqual([10, 'not-found']);
    },
  );
});

describe('verify', () => {
  it('passes for an intact snapshot, in this process and over the queue', async () => {
    const env = await stack.alone();
    const id = await taken(env);
    const { code, stdout } = await cli(['verify'], env);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`Snapshot ${id} is whole`)]);
    await cli(['backup', '--local'], stack.env);
    const queued = await cliJson(['verify', 'latest'], stack.env);
    expect([queued.code, queued.json]).toMatchObject([
      0,
      { verified: true, depth: 'lines', findings: [], error: null },
    ]);
  });

  it('names an altered part and exits with 1, also when repeated', async () => {
    const env = await stack.alone();
    await taken(env);
    const id = await taken(env);
    const home = join(fileURLToPath(env['BACKUP_STORE'] ?? ''), 'snapshots', id);
    const part = (await readdir(home)).find((name) => name.startsWith('part-')) ?? '';
    const bytes = await readFile(join(home, part));
    bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
    await writeFile(join(home, part), bytes);
    // Once it is known as damaged, `latest` is the one before it.
    for (const args of [['verify'], ['verify', id], ['verify', 'newest']]) {
      const { code, json, stderr } = await cliJson(args, env);
      expect([code, json.error?.code, json['verified']]).toEqual([1, 'damaged', false]);
      expect(json['findings']).toMatchObject([{ code: 'part-altered', subject: `snapshots/${id}/${part}` }]);
      expect(stderr).toContain(part);
    }
    expect((await cli(['list'], env)).stdout).toContain('DAMAGED');
  });

  it('exits with 10 for an unknown snapshot', async () => {
    expect((await cli(['verify', '20261122T020000Z-x7k2m9'], await stack.alone())).code).toBe(10);
  });
});
