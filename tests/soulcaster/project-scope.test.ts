import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { generateWorkspace, type Write } from '../../dev/data/index.js';
import { classifyKey } from '../../lib/soulcaster/keys.js';
import {
  belongingOf,
  factFields,
  factsNeed,
  factsOf,
  listFacts,
  mergeFacts,
  type FactList,
  type ProjectFacts,
} from '../../lib/soulcaster/project-scope.js';
import type { Fields } from '../../lib/soulcaster/text.js';

const NOW = Date.parse('2026-11-22T02:00:00Z');

/** The arguments of a command after its key. */
const argsOf = (write: Write): string[] => write.command.slice(2).map(String);

function fieldsOf(write: Write): Fields | null {
  if (write.command[0] !== 'HSET') return null;
  const args = argsOf(write);
  return args.flatMap((field, at) => (at % 2 === 0 ? [[field, args[at + 1] ?? ''] as const] : []));
}

const membersOf = (write: Write): string[] | null => (write.command[0] === 'SADD' ? argsOf(write) : null);

function factsIn(project: string, writes: readonly Write[]): FactList[] {
  return writes.map((write) => factsOf(project, classifyKey(String(write.key)), fieldsOf(write), membersOf(write)));
}

const facts = (more: Partial<Record<keyof FactList, string[]>>): ProjectFacts =>
  mergeFacts([{ jobs: [], clusters: [], users: [], ...more }]);

describe('the keys of one project', () => {
  const writes = [...generateWorkspace({ projects: 5, users: 2, items: 120, seed: 11, now: NOW })];
  const projects = writes.flatMap(({ key }) => {
    const { family, project } = classifyKey(String(key));
    return family === 'project' && project !== null ? [project] : [];
  });

  it('are exactly those that the workspace made for it', () => {
    expect(projects).toHaveLength(5);
    for (const project of projects) {
      const known = mergeFacts(factsIn(project, writes));
      let owned = 0;
      for (const write of writes) {
        const key = classifyKey(String(write.key));
        const isOwn = write.project === project && key.family !== 'cluster-lock';
        const isOwner = key.family === 'user-projects' && known.users.has(key.user ?? '');
        expect([write.key, belongingOf(project, known, key)]).toEqual([
          write.key,
          isOwn ? 'owned' : isOwner ? 'shared' : 'other',
        ]);
        if (isOwn) owned++;
      }
      expect(owned).toBeGreaterThan(240);
      expect(known.users.size).toBe(1);
      expect(known.jobs.size).toBeGreaterThan(0);
    }
  });

  it('are the same in any order, in pieces, and after JSON', () => {
    const [project = ''] = projects;
    const whole = listFacts(mergeFacts(factsIn(project, writes)));
    const telling = factsIn(project, writes).filter(({ jobs, clusters, users }) => [jobs, clusters, users].flat()[0]);
    fc.assert(
      fc.property(fc.shuffledSubarray(telling, { minLength: telling.length }), fc.nat(telling.length), (all, cut) => {
        const parts = [all.slice(0, cut), all.slice(cut), all.slice(0, 3)];
        const stored = parts.map((part) => JSON.stringify(listFacts(mergeFacts(part))));
        expect(listFacts(mergeFacts(stored.map((text) => JSON.parse(text) as FactList)))).toEqual(whole);
      }),
      { numRuns: 20 },
    );
  });

  it('have facts of no other project', () => {
    const [first = '', second = ''] = projects;
    const one = mergeFacts(factsIn(first, writes));
    const other = mergeFacts(factsIn(second, writes));
    for (const id of one.jobs) expect(other.jobs.has(id)).toBe(false);
    for (const id of one.clusters) expect(other.clusters.has(id)).toBe(false);
  });
});

describe('factsOf', () => {
  const of = (key: string, fields: Fields | null = null, members: string[] | null = null) =>
    factsOf('p1', classifyKey(key), fields, members);
  const none = { jobs: [], clusters: [], users: [] };

  it('takes a cluster from each key that names one, whatever its value', () => {
    for (const key of ['cluster:p1:c1', 'cluster:p1:c1:items', 'coding_plan:p1:c1']) {
      expect(of(key)).toEqual({ ...none, clusters: ['c1'] });
    }
    for (const key of ['cluster:p2:c1', 'cluster:c1', 'coding_plan:c1', 'cluster:items:c1', 'cluster:jobs:c1']) {
      expect(of(key)).toEqual(none);
    }
  });

  it('takes a job by its project_id, and its cluster with it', () => {
    const job: Fields = [
      ['logs', 'project_id p2'],
      ['cluster_id', 'c9'],
      ['project_id', 'p1'],
    ];
    expect(of('job:j1', job)).toEqual({ jobs: ['j1'], clusters: ['c9'], users: [] });
    expect(of('job:j1', [['project_id', 'p1']])).toEqual({ ...none, jobs: ['j1'] });
    expect(of('job:j1', [['project_id', 'p']])).toEqual(none);
    expect(of('job:j1', [['project_id', { b: 'cDE=' }]])).toEqual(none);
    expect(of('job:j1', [['cluster_id', 'p1']])).toEqual(none);
    expect(of('job:j1')).toEqual(none);
    expect(of('job:j1:logs', job)).toEqual(none);
  });

  it('takes a user from the project and from the list that holds it', () => {
    expect(of('project:p1', [['user_id', 'u1']])).toEqual({ ...none, users: ['u1'] });
    expect(of('project:p1', [['user_id', '']])).toEqual(none);
    expect(of('project:p2', [['user_id', 'u1']])).toEqual(none);
    expect(of('user:projects:u2', null, ['p0', 'p1'])).toEqual({ ...none, users: ['u2'] });
    expect(of('user:projects:u2', null, ['p11', 'P1'])).toEqual(none);
    expect(of('user:u2', [['user_id', 'u2']])).toEqual(none);
  });

  it('reads no more of a value than `factsNeed` returns', () => {
    const needs = (key: string) => factsNeed('p1', classifyKey(key));
    expect(['job:j1', 'project:p1', 'user:projects:u1'].map(needs)).toEqual(['fields', 'fields', 'members']);
    expect(['job:j1:logs', 'project:p2', 'cluster:p1:c1', 'feedback:p1:f'].map(needs)).toEqual(
      Array.from({ length: 4 }, () => 'nothing'),
    );
    const job: Fields = [
      ['logs', 'long'],
      ['project_id', 'p1'],
      ['cluster_id', 'c1'],
      ['status', 'failed'],
    ];
    expect(factFields(job)).toHaveLength(2);
    expect(of('job:j1', factFields(job))).toEqual(of('job:j1', job));
  });
});

describe('belongingOf', () => {
  const tied = facts({ jobs: ['j1'], clusters: ['c1'], users: ['u1'] });
  const of = (key: string) => belongingOf('p1', tied, classifyKey(key));

  it.each([
    ['project:p1', 'owned'],
    ['github:repo:p1:acme/web', 'owned'],
    ['feedback:external:p1:splunk:a:b', 'owned'],
    ['cluster:p1:unheard', 'owned'],
    ['job:j1', 'owned'],
    ['job:j1:logs', 'owned'],
    ['cluster:jobs:c1', 'owned'],
    ['user:projects:u1', 'shared'],
    ['user:projects:p1', 'other'],
    ['user:u1', 'other'],
    ['user:p1', 'other'],
    ['cluster:lock:p1', 'other'],
    ['job:j2', 'other'],
    ['job:c1', 'other'],
    ['cluster:jobs:c2', 'other'],
    ['cluster:jobs:p1', 'other'],
    ['cluster:c1', 'other'],
    ['cluster:items:c1', 'other'],
    ['coding_plan:c1', 'other'],
    ['feedback:p1', 'other'],
    ['feedback:created', 'other'],
    ['github:repos', 'other'],
    ['feedback:p11:f', 'other'],
    ['feedback:created:p11', 'other'],
    ['sessions:p1', 'other'],
  ])('says of %s: %s', (key, expected) => {
    expect(of(key)).toBe(expected);
  });

  it('distinguishes a project from its user with the same id', () => {
    const same = facts({ users: ['x'] });
    expect(belongingOf('x', same, classifyKey('project:x'))).toBe('owned');
    expect(belongingOf('x', same, classifyKey('user:projects:x'))).toBe('shared');
    expect(belongingOf('x', same, classifyKey('user:x'))).toBe('other');
  });

  it.each(['*', '[a-z]', '?', 'p', '__proto__', 'constructor', 'created', 'lock', 'all', 'p1*'])(
    'reads the id %s as nothing but itself',
    (id) => {
      const none = mergeFacts([factsOf(id, classifyKey('job:j1'), [['project_id', 'p1']])]);
      for (const key of ['feedback:p1:f', 'feedback:created:p1', 'project:p1', 'job:j1', 'cluster:lock:p1']) {
        expect(belongingOf(id, none, classifyKey(key))).toBe('other');
      }
      expect(belongingOf(id, none, classifyKey(`project:${id}`))).toBe('owned');
      const own = mergeFacts([factsOf(id, classifyKey(`job:${id}`), [['project_id', id]])]);
      expect(belongingOf(id, own, classifyKey(`job:${id}:logs`))).toBe('owned');
      expect(JSON.parse(JSON.stringify(listFacts(own)))).toEqual({ jobs: [id], clusters: [], users: [] });
    },
  );
});
