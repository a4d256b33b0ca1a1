import { LOST, type Breach } from './whole-workspace.js';

/** Each breaks a rule about the project, its clusters, jobs or repositories. */
export const otherBreaches: readonly Breach[] = [
  {
    rule: 'project-missing',
    loads: false,
    async commit({ redis, project }) {
      await redis.del(`project:${project}`);
      return { 'project-missing': [project] };
    },
  },
  {
    rule: 'project-without-owner',
    loads: false,
    async commit({ redis, project }) {
      await redis.hdel(`project:${project}`, 'user_id');
      return { 'project-without-owner': [project] };
    },
  },
  {
    rule: 'owner-without-project',
    loads: false,
    async commit({ redis, project, owner }) {
      await redis.srem(`user:projects:${owner}`, project);
      return { 'owner-without-project': [owner] };
    },
  },
  {
    rule: 'items-without-created',
    loads: true,
    async commit({ redis, project, clusters }) {
      await redis.sadd(`cluster:${project}:${clusters[0] ?? ''}:items`, LOST);
      return { 'items-without-created': [LOST] };
    },
  },
  {
    rule: 'item-in-two-clusters',
    loads: true,
    async commit({ redis, project, clusters: [one = '', two = '', three = ''] }) {
      const shared = (await redis.srandmember(`cluster:${project}:${one}:items`)) ?? '';
      for (const cluster of [two, three]) await redis.sadd(`cluster:${project}:${cluster}:items`, shared);
      return { 'item-in-two-clusters': [shared] };
    },
  },
  {
    rule: 'item-clustered-and-unclustered',
    loads: true,
    async commit({ redis, project, clusters: [cluster = ''] }) {
      const id = (await redis.srandmember(`cluster:${project}:${cluster}:items`)) ?? '';
      await redis.sadd(`feedback:unclustered:${project}`, id);
      return { 'item-clustered-and-unclustered': [id] };
    },
  },
  {
    rule: 'cluster-without-hash',
    loads: false,
    async commit({ redis, project }) {
      await redis.zadd(`clusters:${project}:all`, '1', LOST);
      return { 'cluster-without-hash': [LOST] };
    },
  },
  {
    rule: 'cluster-unreadable',
    loads: true,
    async commit({ redis, project, clusters: [cluster = ''] }) {
      await redis.hdel(`cluster:${project}:${cluster}`, 'summary');
      return { 'cluster-unreadable': [cluster] };
    },
  },
  {
    rule: 'cluster-breaks-list',
    loads: false,
    async commit({ redis, project, clusters: [cluster = ''] }) {
      await redis.hset(`cluster:${project}:${cluster}`, 'updated_at', '2026-02-30T10:00:00+00:00');
      return { 'cluster-breaks-list': [cluster] };
    },
  },
  {
    rule: 'plan-without-cluster',
    loads: false,
    async commit({ redis, project }) {
      await redis.zadd(`clusters:${project}:all`, '1', LOST);
      await redis.set(`coding_plan:${project}:${LOST}`, '{}');
      return { 'cluster-without-hash': [LOST], 'plan-without-cluster': [LOST] };
    },
  },
  {
    rule: 'job-without-hash',
    loads: true,
    async commit({ redis, worked }) {
      await redis.del(`job:${worked.job}`);
      return { 'job-without-hash': [worked.job] };
    },
  },
  {
    rule: 'job-of-another-project',
    loads: true,
    async commit({ redis, worked, other }) {
      await redis.hset(`job:${worked.job}`, 'project_id', other);
      return { 'job-of-another-project': [worked.job] };
    },
  },
  {
    rule: 'job-of-another-cluster',
    loads: true,
    async commit({ redis, worked }) {
      await redis.hset(`job:${worked.job}`, 'cluster_id', LOST);
      return { 'job-of-another-cluster': [worked.job] };
    },
  },
  {
    rule: 'repo-without-hash',
    loads: true,
    async commit({ redis, project }) {
      await redis.sadd(`github:repos:${project}`, 'acme/gone');
      return { 'repo-without-hash': ['acme/gone'] };
    },
  },
  {
    rule: 'repo-not-listed',
    loads: true,
    async commit({ redis, project, repos: [repo = ''] }) {
      await redis.srem(`github:repos:${project}`, repo);
      return { 'repo-not-listed': [repo] };
    },
  },
  {
    rule: 'wrong-type',
    loads: true,
    async commit({ redis, project, repos }) {
      await redis.set(`feedback:unclustered:${project}`, 'text');
      await redis.del(`github:repos:${project}`);
      await redis.lpush(`github:repos:${project}`, ...repos);
      const keys = [`feedback:unclustered:${project}`, `github:repos:${project}`];
      return { 'repo-not-listed': repos, 'wrong-type': keys };
    },
  },
];
