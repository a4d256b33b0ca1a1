import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateWorkspace, loadWorkspace } from '../../dev/data/index.js';
import type { Loaded } from '../../dev/data/load.js';
import { TOPICS } from '../../dev/data/wording.js';
import { classifyKey, FAMILIES, type ClassifiedKey } from '../../lib/soulcaster/keys.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

const OPTIONS = { projects: 4, items: 300, seed: 7 };

let database: TestDatabase;
let loaded: Loaded;
let keys: (ClassifiedKey & { key: string })[];

beforeAll(async () => {
  database = await startTestDatabase();
  loaded = await loadWorkspace({ redisUrl: database.url, ...OPTIONS });
  keys = (await database.redis.keys('*')).map((key) => ({ key, ...classifyKey(key) }));
});

afterAll(() => database.stop());

const ofFamily = (family: string) => keys.filter((key) => key.family === family);
const sorted = (items: Iterable<string>) => [...items].sort();

async function scores(key: string): Promise<Map<string, string>> {
  const flat = (await database.redis.call('ZRANGE', key, '0', '-1', 'WITHSCORES')) as string[];
  return new Map(flat.flatMap((member, index) => (index % 2 === 0 ? [[member, flat[index + 1] ?? ''] as const] : [])));
}

async function hashOf(key: string): Promise<Record<string, string>> {
  const flat = (await database.redis.call('HGETALL', key)) as string[];
  return Object.fromEntries(flat.flatMap((field, index) => (index % 2 === 0 ? [[field, flat[index + 1] ?? '']] : [])));
}

describe('loadWorkspace', () => {
  it('counts what is in the database', () => {
    const byFamily: Record<string, number> = {};
    for (const { family } of keys) byFamily[family] = (byFamily[family] ?? 0) + 1;
    expect(loaded.keys).toBe(keys.length);
    expect(loaded.byFamily).toEqual(byFamily);
    expect(loaded.byFamily.feedback).toBe(OPTIONS.projects * OPTIONS.items);
    expect(sorted(Object.keys(loaded.byProject))).toEqual(
      sorted(ofFamily('project').map(({ project }) => `${project}`)),
    );
  });

  it('holds every kind of key, and no other', () => {
    expect(sorted(new Set(keys.map(({ family }) => family)))).toEqual(
      sorted(FAMILIES.filter((name) => name !== 'other')),
    );
  });

  it('has the same ids in created, in the sources and as hashes, with equal scores', async () => {
    for (const { project } of ofFamily('project')) {
      const created = await scores(`feedback:created:${project}`);
      const bySource = ofFamily('feedback-source').filter((key) => key.project === project);
      const united = new Map((await Promise.all(bySource.map(({ key }) => scores(key)))).flatMap((map) => [...map]));
      expect(united).toEqual(created);
      const hashes = ofFamily('feedback').filter((key) => key.project === project);
      expect(sorted(hashes.map(({ item }) => item ?? ''))).toEqual(sorted(created.keys()));
    }
  });

  it('has items whose fields, external key and score agree', async () => {
    let externals = 0;
    for (const { key, project, item } of ofFamily('feedback')) {
      const fields = await hashOf(key);
      expect(fields).toMatchObject({ id: item, project_id: project, created_at: expect.stringMatching(/\+00:00$/) });
      const seconds = await database.redis.zscore(`feedback:source:${project}:${fields.source}`, item ?? '');
      expect(Math.floor(Number(seconds) * 1000)).toBe(Date.parse(fields.created_at ?? ''));
      if (fields.external_id === undefined) continue;
      externals++;
      expect(await database.redis.get(`feedback:external:${project}:${fields.source}:${fields.external_id}`)).toBe(
        item,
      );
    }
    expect(ofFamily('feedback-external')).toHaveLength(externals);
  });

  it('has every item in one cluster or in unclustered', async () => {
    for (const { project } of ofFamily('project')) {
      const places = [...(await database.redis.smembers(`feedback:unclustered:${project}`))];
      for (const { key } of ofFamily('cluster-items').filter((items) => items.project === project)) {
        places.push(...(await database.redis.smembers(key)));
      }
      expect(sorted(places)).toEqual(sorted((await scores(`feedback:created:${project}`)).keys()));
      const clusters = ofFamily('cluster').filter((cluster) => cluster.project === project);
      const listed = await scores(`clusters:${project}:all`);
      expect(sorted(listed.keys())).toEqual(sorted(clusters.map(({ cluster }) => cluster ?? '')));
      for (const plan of ofFamily('coding-plan').filter((key) => key.project === project)) {
        expect(listed.has(plan.cluster ?? '')).toBe(true);
      }
    }
  });

  it('has jobs that are tied to a project and to the jobs of their cluster', async () => {
    const statuses = new Set<string>();
    for (const { key, job } of ofFamily('job')) {
      const { project_id, cluster_id, status } = await hashOf(key);
      statuses.add(status ?? '');
      expect(loaded.byProject).toHaveProperty(project_id ?? '');
      expect(await database.redis.zscore(`cluster:jobs:${cluster_id}`, job ?? '')).not.toBeNull();
      expect(keys.some((other) => other.key === `cluster:${project_id}:${cluster_id}`)).toBe(true);
    }
    expect(sorted(statuses)).toEqual(['failed', 'running', 'succeeded']);
  });

  it('has users and repositories that agree with the projects', async () => {
    for (const { key, project } of ofFamily('project')) {
      const { user_id } = await hashOf(key);
      expect(await database.redis.sismember(`user:projects:${user_id}`, project ?? '')).toBe(1);
      const repos = ofFamily('github-repo').filter((repo) => repo.project === project);
      const listed = await database.redis.smembers(`github:repos:${project}`);
      expect(sorted(listed)).toEqual(sorted(repos.map(({ repo }) => repo ?? '')));
    }
    expect(ofFamily('user-projects').some(({ user }) => keys.some(({ key }) => key === `project:${user}`))).toBe(true);
  });

  it('gives an expiry to locks and logs, and to nothing else', async () => {
    const longest: Record<string, number> = { 'cluster-lock': 600_000, 'job-logs': 7 * 86_400_000 };
    for (const { key, family } of keys) {
      const left = await database.redis.pttl(key);
      const most = longest[family];
      if (most === undefined) expect(left).toBe(-1);
      else expect(left > 0 && left <= most).toBe(true);
    }
  });

  it('keeps each cluster to one topic', async () => {
    const patternOf = (title: string) => title.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{\w+\}/g, '.+');
    for (const { key, project, cluster } of ofFamily('cluster').slice(0, 40)) {
      const { summary } = await hashOf(key);
      const titles = TOPICS.find((topic) => topic.summary === summary)?.titles ?? [];
      const about = new RegExp(`^(${titles.map(patternOf).join('|')})$`);
      for (const item of await database.redis.smembers(`cluster:${project}:${cluster}:items`)) {
        expect(await database.redis.hget(`feedback:${project}:${item}`, 'title')).toMatch(about);
      }
    }
  });
});

describe('generateWorkspace', () => {
  const now = Date.parse('2026-11-22T02:00:00Z');
  const small = { projects: 2, items: 60, seed: 3, now };

  it('gives the same for the same seed and time, and other data for another seed', () => {
    const data = JSON.stringify([...generateWorkspace(small)]);
    expect(JSON.stringify([...generateWorkspace(small)])).toBe(data);
    expect(JSON.stringify([...generateWorkspace({ ...small, seed: 4 })])).not.toBe(data);
  });

  it('creates each key once, before it changes it', () => {
    const created = new Set<string>();
    const wrong: string[] = [];
    for (const { key, creates } of generateWorkspace({ ...small, items: 2500 })) {
      const name = key.toString();
      if (created.has(name) === creates) wrong.push(name);
      created.add(name);
    }
    expect(created.size).toBeGreaterThan(10_000);
    expect(wrong).toEqual([]);
  });

  it('has bodies of the usual sizes and one far over them', () => {
    const writes = [...generateWorkspace(small)].filter(({ key }) => classifyKey(key.toString()).family === 'feedback');
    const bodies = writes.map(({ command }) => command[command.indexOf('body') + 1]?.length ?? 0).sort((a, b) => a - b);
    expect(bodies[0]).toBeGreaterThanOrEqual(100);
    expect(bodies[60]).toBeGreaterThan(400);
    expect(bodies[60]).toBeLessThan(2000);
    expect(bodies.at(-1)).toBeGreaterThan(50_000);
  });

  it('leaves out the excluded data', () => {
    const families = new Set<string>();
    for (const { key } of generateWorkspace({ ...small, locked: false, legacy: false, unclustered: 0 })) {
      families.add(classifyKey(key.toString()).family);
    }
    expect([...families].filter((family) => family.startsWith('legacy') || family.endsWith('lock'))).toEqual([]);
    expect(families).not.toContain('feedback-unclustered');
  });
});
