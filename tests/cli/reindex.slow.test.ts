import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../../lib/app/connect.js';
import { cli, cliJson, openStack, type CliStack } from './fixture.js';
import { anyProject, removeProject, taken } from './restore-fixture.js';

let stack: CliStack;
let project = '';

beforeAll(async () => {
  stack = await openStack({ gemini: { vectors: 'hash' } });
  project = await anyProject(stack.urls.redis);
});
afterAll(() => stack.stop());

/** Ids in the project's namespace. */
async function indexed(): Promise<string[]> {
  const { vectors } = connect(stack.env, ['vectors']);
  const { vectors: page } = await vectors.range(project, null, 1000);
  return page.map(({ id }) => id).sort();
}

describe('reindex', () => {
  it('shows the plan in a dry run and changes nothing', async () => {
    const env = await stack.alone();
    const { code, stdout } = await cli(['reindex', '--project', project, '--dry-run'], env);
    expect(code).toBe(0);
    expect(stdout).toContain('TO EMBED');
    expect(stdout).toMatch(new RegExp(`${project} +60 +0 +60 +0 +0 +0`));
    expect(await indexed()).toEqual([]);
  });

  it('rebuilds a project in this process, with a report and as one document', async () => {
    const env = await stack.alone();
    const first = await cli(['reindex', '--project', project], env);
    expect([first.code, first.stdout]).toEqual([0, expect.stringContaining('60 items, 60 vectors: 0 missing')]);
    const again = await cliJson(['reindex', '--all', '--mode', 'missing', '--local'], env);
    expect([again.code, again.json]).toMatchObject([
      0,
      { state: 'succeeded', unchanged: 60, embedded: 2, error: null },
    ]);
    expect(await indexed()).toHaveLength(60);
  });

  it('warns before it removes vectors that are still searched according to the settings', async () => {
    const env = await stack.alone();
    const drop = ['reindex', '--all', '--into', ':g2', '--drop-old', '--yes', '--local'];
    const early = await cli(drop, env);
    expect(early.stderr).toContain('the application still searches');
    const after = await cli(drop, { ...env, VECTOR_NAMESPACE_SUFFIX: ':g2' });
    expect(after.stderr).not.toContain('the application still searches');
    // Nothing was built there.
    for (const { code, stderr } of [early, after]) expect([code, stderr]).not.toEqual([0, '']);
    expect(await indexed()).toHaveLength(60);
  });

  it('records the recipe of the vectors, so that status and doctor report another model or rule', async () => {
    const env = await stack.alone();
    expect((await cli(['reindex', '--project', project], env)).code).toBe(0);
    const same = await cli(['status'], env);
    expect(same.stdout).toMatch(/gemini-embedding-001 \(768 dimensions, bodies cut at 1500 characters\), proven since/);
    expect(same.stdout).not.toContain('index-model-differs');
    for (const other of [{ EMBEDDING_MODEL: 'gemini-embedding-2' }, { CLUSTERING_TRUNCATE_BODY_CHARS: '0' }]) {
      const { json } = await cliJson(['status'], { ...env, ...other });
      expect(json).toMatchObject({ index: { namespaces: [{ model: 'gemini-embedding-001', dimensions: 768 }] } });
      expect(json['alerts']).toContainEqual(expect.objectContaining({ code: 'index-model-differs' }));
      const doctor = await cliJson(['doctor'], { ...env, ...other });
      expect(doctor.json['checks']).toContainEqual(
        expect.objectContaining({
          name: 'index',
          status: 'fail',
          detail: expect.stringContaining('gemini-embedding-001'),
        }),
      );
    }
  });

  it('hands over to the queue immediately, and `run` follows the run', async () => {
    const { code, json } = await cliJson(['reindex', '--project', project], stack.env);
    expect([code, json]).toMatchObject([0, { state: 'running' }]);
    const followed = await cliJson(['run', String(json['runId']), '--watch'], stack.env);
    expect([followed.code, followed.json]).toMatchObject([0, { state: 'succeeded', embedded: 60 }]);
    const shown = await cli(['run', String(json['runId'])], stack.env);
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining('a re-index')]);
    const watched = await cliJson(['reindex', '--project', project, '--watch'], stack.env);
    expect([watched.code, watched.json]).toMatchObject([0, { state: 'succeeded', embedded: 60 }]);
  });

  it.each([
    [[], 2, 'usage'],
    [['--project', 'p', '--all'], 2, 'usage'],
    [['--project', ''], 2, 'usage'],
    [['--all', '--mode', 'wrong'], 2, 'usage'],
    [['--project', 'unknown'], 10, 'not-found'],
    [['--project', '*'], 10, 'not-found'],
    [['--all', '--mode', 'flush'], 2, 'usage'],
    [['--retry', '20200101T000000Z-aaaaaa', '--mode', 'flush'], 2, 'usage'],
    [['--all', '--into', ':g2', '--drop-old', '--yes', '--mode', 'flush'], 2, 'usage'],
    [['--all', '--yes-over-days'], 2, 'usage'],
  ])('%j ends with %i %s and touches nothing', async (args, exit, code) => {
    const before = stack.vector.requestCount('upsert') + stack.vector.requestCount('reset');
    const result = await cliJson(['reindex', ...args], await stack.alone());
    expect([result.code, result.json.error?.code]).toEqual([exit, code]);
    expect(stack.vector.requestCount('upsert') + stack.vector.requestCount('reset')).toBe(before);
  });

  it('names every variable that is missing', async () => {
    const env = { ...(await stack.alone()), UPSTASH_VECTOR_REST_URL: '', GEMINI_API_KEY: '' };
    const { code, stderr } = await cli(['reindex', '--all'], env);
    expect(code).toBe(2);
    for (const name of ['UPSTASH_VECTOR_REST_URL', 'GEMINI_API_KEY']) expect(stderr).toContain(`${name} is missing`);
  });

  it('runs after a restore in this process, unless it is turned off', async () => {
    const env = await stack.alone();
    await taken(env);
    const { vectors } = connect(stack.env, ['vectors']);
    await vectors.remove(project, 'all');
    await removeProject(stack.urls.redis, project);
    const without = await cli(['restore', '--project', project, '--yes', '--no-reindex'], env);
    expect([without.code, await indexed()]).toEqual([0, []]);
    const restored = await cli(['restore', '--project', project, '--yes'], env);
    expect([restored.code, restored.stdout]).toEqual([0, expect.stringContaining('Re-indexed with mode in-place')]);
    expect(await indexed()).toHaveLength(60);
  });
});

describe('run', () => {
  it('refuses an unknown run', async () => {
    const { code, json } = await cliJson(['run', '20200101T000000Z-aaaaaa'], stack.env);
    expect([code, json.error?.code]).toEqual([10, 'not-found']);
  });
});
