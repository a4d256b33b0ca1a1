import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { checkProject } from '../../lib/soulcaster/invariants.js';
import { findUnlisted } from '../../lib/soulcaster/invariants/unlisted.js';
import { RULES, type Rule } from '../../lib/soulcaster/invariants/rules.js';
import { classifyKey } from '../../lib/soulcaster/keys.js';
import { startChecked, type Checked } from './checked-database.js';
import { itemBreaches, otherBreaches } from './breaches.js';
import { ITEMS, loadWhole, LOST, type Workspace } from './whole-workspace.js';

let checked: Checked;
let workspace: Workspace;

beforeAll(async () => {
  checked = await startChecked();
});
afterAll(() => checked.stop());
beforeEach(async () => {
  workspace = await loadWhole(checked.redis, checked.redisUrl);
});

const breaches = [...itemBreaches, ...otherBreaches];
const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((all, count) => all + count, 0);

describe('checkProject', () => {
  it('finds no violation in consistent data, and counts the data', async () => {
    for (const id of [workspace.project, workspace.other]) {
      const report = await checkProject(checked.port, id);
      expect(report).toMatchObject({ project: id, feedback: ITEMS, loads: true, violations: [] });
      expect(report.clusters).toBe(await checked.redis.zcard(`clusters:${id}:all`));
      expect(report.clusters).toBeGreaterThan(3);
      for (const [source, count] of Object.entries(report.bySource)) {
        expect([source, count]).toEqual([source, await checked.redis.zcard(`feedback:source:${id}:${source}`)]);
      }
      expect(sum(report.bySource)).toBe(ITEMS);
      expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    }
  });

  it.each(breaches)('finds and counts $rule, and nothing else', async ({ commit, loads }) => {
    const found = await commit(workspace);
    const report = await checkProject(checked.port, workspace.project);
    const expected = Object.entries(found).map(([rule, ids]) => [
      rule,
      { rule, count: ids.length, examples: [...ids].sort().slice(0, 5) },
    ]);
    const violations = report.violations.map((violation) => [violation.rule, violation]);
    expect(Object.fromEntries(violations)).toEqual(Object.fromEntries(expected));
    expect(report.loads).toBe(loads);
    const other = await checkProject(checked.port, workspace.other);
    expect(other).toMatchObject({ feedback: ITEMS, loads: true, violations: [] });
  });

  it('counts like the application, without items that it cannot read', async () => {
    const { redis, project, ids, clusters } = workspace;
    await redis.hset(`feedback:${project}:${ids[0] ?? ''}`, 'status', 'merged');
    await redis.del(`feedback:${project}:${ids[1] ?? ''}`);
    await redis.hdel(`cluster:${project}:${clusters[0] ?? ''}`, 'title');
    const report = await checkProject(checked.port, project);
    expect(report).toMatchObject({ feedback: ITEMS - 2, clusters: clusters.length - 1 });
    expect(sum(report.bySource)).toBe(ITEMS - 2);
  });

  it('finds data that no list names by known ids', async () => {
    const { redis, project, owner, clusters, worked } = workspace;
    const unlisted = clusters.find((id) => id !== worked.cluster) ?? '';
    await redis.zrem(`clusters:${project}:all`, unlisted);
    await redis.zrem(`cluster:jobs:${worked.cluster}`, worked.job);
    await redis.sadd('user:projects:stranger', project);
    const unknown = await checkProject(checked.port, project);
    expect(unknown).toMatchObject({ loads: true, clusters: clusters.length - 1, violations: [] });
    const known = { clusters: [...clusters, LOST], jobs: [worked.job, LOST], users: ['stranger', owner, 'nobody'] };
    const report = await checkProject(checked.port, project, known);
    expect(report.loads).toBe(false);
    expect(report.violations).toEqual([
      { rule: 'project-of-another-user', count: 1, examples: ['stranger'] },
      { rule: 'cluster-not-listed', count: 1, examples: [unlisted] },
      { rule: 'job-not-listed', count: 1, examples: [worked.job] },
    ]);
  });

  it.each(['*', '[a-z]*', 'created', '__proto__'])('finds no project called %s, and none of its data', async (id) => {
    expect(await checkProject(checked.port, id)).toEqual({
      project: id,
      feedback: 0,
      clusters: 0,
      bySource: {},
      loads: false,
      violations: [{ rule: 'project-missing', count: 1, examples: [id] }],
    });
  });

  it('finds data that no list names by the names of all keys', async () => {
    const { redis, project, ids, clusters, worked } = workspace;
    await redis.zrem(`feedback:created:${project}`, ids[0] ?? '');
    await redis.hset(`cluster_job:${project}:${LOST}`, 'status', 'succeeded');
    await redis.set(`feedback:external:${project}:github:a:b`, LOST);
    await redis.hset(`job:${LOST}`, { project_id: project, cluster_id: worked.cluster });
    const keys = (await redis.keys('*')).map(classifyKey);
    const pages = (async function* () {
      yield await Promise.resolve(keys.slice(0, 100));
      yield keys.slice(100);
    })();
    const found = (await findUnlisted(checked.port, [project], pages)).get(project);
    expect([...(found?.broken ?? [])].sort()).toEqual([
      ['cluster-job-not-listed', LOST],
      ['external-dangling', 'github:a:b'],
      ['item-not-listed', ids[0]],
    ]);
    expect([...(found?.clusters ?? [])].sort()).toEqual([...clusters].sort());
    expect(found?.jobs.has(LOST) && found.jobs.has(worked.job)).toBe(true);
  });

  it('is tested for every rule', () => {
    const known: Rule[] = ['project-of-another-user', 'cluster-not-listed', 'job-not-listed'];
    known.push('item-not-listed', 'cluster-job-not-listed', 'external-dangling');
    expect([...breaches.map(({ rule }) => rule), ...known].sort()).toEqual(Object.keys(RULES).sort());
  });
});
