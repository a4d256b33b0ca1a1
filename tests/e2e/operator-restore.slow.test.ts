import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Dump } from '../support/dumps.js';
import { AT_WORK, post, whileAtWork } from './operator.js';
import { expectAsBefore, restoreStack, workInFlight, type OneProject, type RestoreStack } from './restore-stack.js';

let bench: RestoreStack;
let snapshot: string;
let before: Dump;
let inFlight: Awaited<ReturnType<typeof workInFlight>>;
let project: OneProject;

beforeAll(async () => {
  bench = await restoreStack({ items: 30, mixed: 100 });
  snapshot = await bench.snapshot();
  before = await bench.dump();
  inFlight = await workInFlight(bench.redis, before);
  project = bench.projects[1] ?? { id: '', user: '', keys: [] };
});
afterAll(() => bench.stop());

describe('POST /api/restore', () => {
  const everything = { all: true };

  it.each<[string, object, string]>([
    ['everything', { scope: everything }, 'snapshot'],
    ['everything, merged', { scope: everything, mode: 'merge' }, 'snapshot'],
    ['only what is missing', { scope: everything, mode: 'missing' }, 'snapshot'],
    ['a project', {}, 'project'],
    ['a project, merged', { mode: 'merge' }, 'project'],
  ])('takes a typed confirmation for %s', async (_what, ask, word) => {
    const writes = bench.stack.redis.writeCommandCount();
    const body = { snapshot, scope: { project: project.id }, ...ask };
    const right = word === 'snapshot' ? snapshot : project.id;
    const wrong = [
      undefined,
      null,
      'latest',
      word === 'snapshot' ? project.id : snapshot,
      right.toUpperCase(),
      ` ${right}`,
    ];
    for (const confirm of wrong.filter((text) => text !== right)) {
      const { status, said } = await post(bench, '/api/restore', { ...body, confirm });
      expect([confirm, status, said.code]).toEqual([confirm, 428, 'not-confirmed']);
      expect(said.hint).toContain(word === 'snapshot' ? snapshot : "the project's id");
    }
    expect(bench.stack.redis.writeCommandCount()).toBe(writes);
  });

  it.each<[number, string, unknown]>([
    [400, 'usage', 'not json'],
    [400, 'usage', { mode: 'replace', allowIncomplete: true }],
    [422, 'invalid', { snapshot: 3 }],
    [422, 'invalid', { trigger: 'cli' }],
    [422, 'invalid', { confirmFor: 'replacing-all' }],
    [404, 'not-found', { snapshot: '20200101T000000Z-000000' }],
    [404, 'not-found', { scope: { project: 'unknown' }, confirm: 'unknown' }],
    [413, 'too-large', { snapshot: 'x'.repeat(20_000) }],
  ])('answers %d %s to %j', async (wanted, code, changes) => {
    const body = typeof changes === 'string' ? changes : { snapshot, scope: everything, ...(changes as object) };
    const { status, said } = await post(bench, '/api/restore', body);
    expect([status, said.code]).toEqual([wanted, code]);
  });

  it('only counts in a dry run, which takes no confirmation', async () => {
    await bench.redis.del(...project.keys);
    const harmed = await bench.dump();
    const body = { snapshot, scope: { project: project.id }, dryRun: true };
    const { status, said } = await post(bench, '/api/restore', body);
    expect([status, said]).toMatchObject([202, { runId: said.runId, state: 'running', snapshot, dryRun: true }]);
    const run = await bench.finished(said.runId);
    expect(run).toMatchObject({ state: 'succeeded', result: { plan: { total: { write: project.keys.length } } } });
    expect(await bench.dump()).toEqual(harmed);
  });

  it('brings a project back, and says that an operator asked for it', async () => {
    const body = { snapshot, scope: { project: project.id }, confirm: project.id };
    const { status, headers, said } = await post(bench, '/api/restore', body);
    expect([status, said]).toMatchObject([202, { runId: said.runId, state: 'running', snapshot, dryRun: false }]);
    expect(headers.get('location')).toBe(`/api/runs/${said.runId}`);
    const run = await bench.finished(said.runId);
    expect(run).toMatchObject({ state: 'succeeded', error: null, input: { trigger: 'admin' } });
    const settled = Object.entries(inFlight).filter(([key]) => project.keys.includes(key));
    await expectAsBefore(bench, before, Object.fromEntries(settled));
  });

  it('tells of the run that is in progress, and starts nothing', async () => {
    const runs = await bench.objects('runs/');
    const body = { snapshot, scope: everything, confirm: snapshot };
    const { status, said } = await whileAtWork(bench, 'database', () => post(bench, '/api/restore', body));
    expect([status, said]).toEqual([409, expect.objectContaining({ code: 'locked' })]);
    expect(said.hint).toContain(`/api/runs/${AT_WORK}`);
    expect(said.hint).not.toContain('webhook');
    expect(await bench.objects('runs/')).toEqual(runs);
  });

  it('brings everything back', async () => {
    await bench.redis.flushall();
    const { said } = await post(bench, '/api/restore', { snapshot, scope: everything, confirm: snapshot });
    expect(await bench.finished(said.runId)).toMatchObject({ state: 'succeeded', error: null });
    await expectAsBefore(bench, before, inFlight);
  });
});
