import { describe, expect, it } from '@jest/globals';
import fc, { anyCharacter } from '../support/fast-check.js';
import { classifyKey, FAMILIES, type ClassifiedKey } from '../../lib/soulcaster/keys.js';

const PID = 'clx3k2m9v0000a8hj5q1w2e3r';
const UUID = '0b7e7d52-9a53-4a0e-8f4e-5d0a1f6c2b11';

const known: [string, ClassifiedKey][] = [
  [`feedback:${PID}:${UUID}`, { family: 'feedback', project: PID, item: UUID }],
  [`feedback:created:${PID}`, { family: 'feedback-created', project: PID }],
  [`feedback:source:${PID}:reddit`, { family: 'feedback-source', project: PID, source: 'reddit' }],
  [
    `feedback:external:${PID}:sentry:99`,
    { family: 'feedback-external', project: PID, source: 'sentry', external: '99' },
  ],
  [
    `feedback:external:${PID}:splunk:sid:7:rule:`,
    { family: 'feedback-external', project: PID, source: 'splunk', external: 'sid:7:rule:' },
  ],
  [
    `feedback:external:${PID}:splunk::x`,
    { family: 'feedback-external', project: PID, source: 'splunk', external: ':x' },
  ],
  [`feedback:unclustered:${PID}`, { family: 'feedback-unclustered', project: PID }],
  [`cluster:${PID}:${UUID}`, { family: 'cluster', project: PID, cluster: UUID }],
  [`cluster:${PID}:${UUID}:items`, { family: 'cluster-items', project: PID, cluster: UUID }],
  [`clusters:${PID}:all`, { family: 'clusters-all', project: PID }],
  [`cluster_job:${PID}:${UUID}`, { family: 'cluster-job', project: PID, job: UUID }],
  [`cluster_jobs:${PID}:recent`, { family: 'cluster-jobs-recent', project: PID }],
  [`coding_plan:${PID}:${UUID}`, { family: 'coding-plan', project: PID, cluster: UUID }],
  [`cluster:lock:${PID}`, { family: 'cluster-lock', project: PID }],
  [`config:reddit:subreddits:${PID}`, { family: 'config', project: PID }],
  [`config:sentry:${PID}:webhook_secret`, { family: 'config', project: PID, setting: 'webhook_secret' }],
  [`config:datadog:${PID}:webhook_secret`, { family: 'config', project: PID, setting: 'webhook_secret' }],
  [`config:splunk:${PID}:searches`, { family: 'config', project: PID, setting: 'searches' }],
  [`config:posthog:${PID}:event_types`, { family: 'config', project: PID, setting: 'event_types' }],
  [
    `github_sync_state:${PID}:acme:web.app`,
    { family: 'github-sync-state', project: PID, owner: 'acme', repo: 'web.app' },
  ],
  [`github:repos:${PID}`, { family: 'github-repos', project: PID }],
  [`github:repo:${PID}:acme/web.app`, { family: 'github-repo', project: PID, repo: 'acme/web.app' }],
  [`project:${PID}`, { family: 'project', project: PID }],
  [`job:${UUID}`, { family: 'job', project: null, job: UUID }],
  [`job:${UUID}:logs`, { family: 'job-logs', project: null, job: UUID }],
  [`cluster:jobs:${UUID}`, { family: 'cluster-jobs', project: null, cluster: UUID }],
  [`user:projects:${PID}`, { family: 'user-projects', project: null, user: PID }],
  [`user:${PID}`, { family: 'user', project: null, user: PID }],
  [`feedback:${UUID}`, { family: 'legacy-feedback', project: null, item: UUID }],
  ['feedback:created', { family: 'legacy-feedback-created', project: null }],
  ['feedback:unclustered', { family: 'legacy-feedback-unclustered', project: null }],
  [`cluster:${UUID}`, { family: 'legacy-cluster', project: null, cluster: UUID }],
  [`cluster:items:${UUID}`, { family: 'legacy-cluster-items', project: null, cluster: UUID }],
  ['clusters:all', { family: 'legacy-clusters-all', project: null }],
  [`coding_plan:${UUID}`, { family: 'legacy-coding-plan', project: null, cluster: UUID }],
  ['github:repos', { family: 'legacy-github-repos', project: null }],
  ['github:repo:acme/web.app', { family: 'legacy-github-repo', project: null, repo: 'acme/web.app' }],
];

const foreign = [
  '',
  ':',
  'feedback',
  'feedback:',
  'feedback::',
  `feedback:${PID}:`,
  `feedback:${PID}:${UUID}:extra`,
  'feedback:source',
  'feedback:source:reddit',
  `feedback:external:${PID}:sentry`,
  `feedback:external:${PID}:sentry:`,
  'feedback:external',
  'cluster:lock',
  'cluster:jobs',
  `cluster:lock:${PID}:items`,
  `cluster:${PID}:${UUID}:members`,
  'clusters:all:all',
  `clusters:${PID}:some`,
  `config:github:${PID}:token`,
  `config:reddit:${PID}:subreddits`,
  'config:reddit:subreddits',
  'user:projects',
  'job::logs',
  `job:${UUID}:output`,
  'project:',
  'projects:1',
  'Feedback:created',
  '__proto__:a',
  'constructor:a:b',
];

describe('classifyKey', () => {
  it.each(known)('classifies %s', (key, expected) => {
    expect(classifyKey(key)).toEqual(expected);
  });

  it.each(foreign)('classifies %j as other', (key) => {
    expect(classifyKey(key)).toEqual({ family: 'other', project: null });
  });

  it('is tested for every family', () => {
    const seen = new Set(known.map(([, { family }]) => family));
    expect(FAMILIES.filter((family) => !seen.has(family))).toEqual(['other']);
  });

  it('distinguishes a project from a user with the same id', () => {
    expect(classifyKey(`project:${PID}`).project).toBe(PID);
    expect(classifyKey(`user:${PID}`).project).toBeNull();
  });

  it('reads a grammar word in the place of a project as the word', () => {
    expect(classifyKey('feedback:created:created')).toEqual({ family: 'feedback-created', project: 'created' });
    expect(classifyKey('cluster:jobs:items').family).toBe('cluster-jobs');
  });
});

const word = fc.constantFrom(
  ...[
    'feedback',
    'cluster',
    'clusters',
    'created',
    'source',
    'external',
    'unclustered',
    'jobs',
    'lock',
    'items',
    'all',
  ],
  ...[
    'config',
    'reddit',
    'subreddits',
    'sentry',
    'github',
    'repo',
    'repos',
    'job',
    'logs',
    'user',
    'projects',
    PID,
    UUID,
  ],
);
const segment = fc.oneof(word, fc.constant(''), fc.string({ unit: anyCharacter, maxLength: 6 }));

describe('classifyKey on any string', () => {
  it('returns a known family and only parts that occur in the key', () => {
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 7 }), (segments) => {
        const key = segments.join(':');
        const { family, ...parts } = classifyKey(key);
        expect(FAMILIES).toContain(family);
        for (const part of Object.values(parts)) if (part !== null) expect(key).toContain(`:${part}`);
        if (family === 'other') expect(parts).toEqual({ project: null });
      }),
      { numRuns: 2000 },
    );
  });

  it('returns an external id with all its colons', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (external) => {
        const found = classifyKey(`feedback:external:${PID}:sentry:${external}`);
        expect(found).toEqual({ family: 'feedback-external', project: PID, source: 'sentry', external });
      }),
    );
  });

  it('returns project and item for every id without a colon that is no word of the grammar', () => {
    const id = fc.string({ minLength: 1 }).filter((text) => !text.includes(':'));
    const free = id.filter((text) => !['created', 'source', 'external', 'unclustered'].includes(text));
    fc.assert(
      fc.property(free, id, (project, item) => {
        expect(classifyKey(`feedback:${project}:${item}`)).toEqual({ family: 'feedback', project, item });
      }),
    );
  });
});
