import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cli, cliJson, ended, openStack, spawnCli, until, type CliStack } from './fixture.js';
import { anyProject, redis, taken } from './restore-fixture.js';

/** The embedder's daily quota is used up: over the queue a run waits until it is renewed, in one process it fails. */
let stack: CliStack;
let project = '';

beforeAll(async () => {
  stack = await openStack({ gemini: { vectors: 'hash' } });
  project = await anyProject(stack.urls.redis);
  stack.gemini.setFaults({ call: () => 'daily-quota' });
});
afterAll(() => stack.stop());

const WAITS = /waits until \d{4}-\d\d-\d\d \d\d:\d\d UTC: Gemini's daily quota is used up/;

describe('a restore whose vectors cannot be rebuilt', () => {
  it('is reported as restored, with its undo, what to do, and exit 3', async () => {
    const env = await stack.alone();
    await taken(env);
    await redis(stack.urls.redis, 'HSET', `project:${project}`, 'name', 'another');
    const { code, json, stderr } = await cliJson(['restore', '--project', project, '--yes'], env);
    expect([code, json]).toMatchObject([
      3,
      { state: 'succeeded', proof: { total: { missing: 0, different: 0 } }, error: { code: 'incomplete' } },
    ]);
    expect(json['reindexed']).toMatchObject({ state: 'failed', error: { code: 'embedder-quota' } });
    expect(json.error?.hint).toContain(`soulcaster-backup reindex --project ${project}`);
    expect(String(json['undo'])).toMatch(/^\d{8}T\d{6}Z-/);
    expect(stderr).toContain('restored and proven');
  });

  it('reports the same if the re-index cannot start', async () => {
    const env = { ...(await stack.alone()), UPSTASH_VECTOR_REST_TOKEN: 'a-wrong-token' };
    await taken(env);
    const { code, json } = await cliJson(['restore', '--project', project, '--yes', '--no-settle'], env);
    expect([code, json]).toMatchObject([
      3,
      { state: 'succeeded', error: { code: 'incomplete' }, reindexed: { error: { code: 'vector-denied' } } },
    ]);
    expect(json['undo']).toBeDefined();
  });
});

describe('a run that waits', () => {
  it('shows until when and why it waits while it is followed, and Ctrl-C only stops following', async () => {
    const started = spawnCli(['reindex', '--project', project, '--watch'], stack.env);
    let told = '';
    started.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
    await until(started, () => WAITS.test(told));
    started.kill('SIGINT');
    const left = await ended(started, stack.env);
    expect([left.code, left.stderr]).toEqual([130, expect.stringContaining('it continues')]);

    const id = /run (\S+): handed over/.exec(told)?.[1] ?? '';
    const shown = await cli(['run', id], stack.env);
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringMatching(WAITS)]);
    const { json } = await cliJson(['run', id], stack.env);
    expect(json).toMatchObject({
      runId: id,
      kind: 'reindex',
      state: 'waiting',
      phase: 'preflight',
      progress: { done: 0, unit: 'items' },
      waitsFor: { code: 'embedder-quota' },
      error: null,
    });
    expect(Date.parse(String(json['resumeAt']))).toBeGreaterThan(Date.now());

    const watching = spawnCli(['run', id, '--watch'], stack.env);
    let seen = '';
    watching.stderr.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    await until(watching, () => WAITS.test(seen));
    watching.kill('SIGTERM');
    expect((await ended(watching, stack.env)).code).toBe(130);
  });

  it('blocks other runs of the index', async () => {
    const other = await cliJson(['reindex', '--all'], stack.env);
    expect([other.code, other.json.error]).toMatchObject([11, { code: 'locked' }]);
    expect(other.json.error?.message).toContain('a re-index');
  });
});
