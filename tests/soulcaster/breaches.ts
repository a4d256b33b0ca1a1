import { LOST, type Breach, type Workspace } from './whole-workspace.js';

const hashOf = ({ project }: Workspace, id: string) => `feedback:${project}:${id}`;
const sourceList = async (w: Workspace, id: string) =>
  `feedback:source:${w.project}:${(await w.field(id, 'source')) ?? ''}`;

/** An item with an external id, and its key. */
async function external(w: Workspace): Promise<{ id: string; key: string }> {
  for (const id of w.ids) {
    const name = await w.field(id, 'external_id');
    const source = await w.field(id, 'source');
    if (name !== null && source !== null) return { id, key: `feedback:external:${w.project}:${source}:${name}` };
  }
  throw new Error('no item has an external id');
}

/** Each breaks a rule about items and their lists. */
export const itemBreaches: readonly Breach[] = [
  {
    rule: 'created-without-hash',
    loads: false,
    async commit(w) {
      const gone = w.ids.slice(3, 10);
      await w.redis.del(...gone.map((id) => hashOf(w, id)));
      return { 'created-without-hash': gone };
    },
  },
  {
    rule: 'created-without-source',
    loads: false,
    async commit(w) {
      const [id = ''] = w.ids;
      await w.redis.zrem(await sourceList(w, id), id);
      return { 'created-without-source': [id] };
    },
  },
  {
    rule: 'source-without-created',
    loads: false,
    async commit(w) {
      await w.redis.zadd(`feedback:source:${w.project}:posthog`, '1', LOST);
      return { 'source-without-created': [LOST] };
    },
  },
  {
    // The list of an unknown source is found through the item that names it.
    rule: 'source-repeated',
    loads: false,
    async commit(w) {
      const [listed = '', naming = ''] = w.ids;
      const score = (await w.redis.zscore(`feedback:created:${w.project}`, listed)) ?? '';
      await w.redis.zadd(`feedback:source:${w.project}:app-store`, score, listed);
      const wasExternal = (await w.field(naming, 'external_id')) !== null;
      await w.redis.hset(hashOf(w, naming), 'source', 'app-store');
      return {
        'source-repeated': [listed],
        'source-differs': [listed, naming],
        'feedback-unreadable': [naming],
        ...(wasExternal ? { 'external-missing': [naming] } : {}),
      };
    },
  },
  {
    rule: 'source-differs',
    loads: true,
    async commit(w) {
      const [id = ''] = w.ids;
      const wrong = (await w.field(id, 'source')) === 'sentry' ? 'reddit' : 'sentry';
      const score = (await w.redis.zscore(`feedback:created:${w.project}`, id)) ?? '';
      await w.redis.zrem(await sourceList(w, id), id);
      await w.redis.zadd(`feedback:source:${w.project}:${wrong}`, score, id);
      return { 'source-differs': [id] };
    },
  },
  {
    rule: 'score-differs',
    loads: true,
    async commit(w) {
      const moved = w.ids.slice(0, 2);
      for (const id of moved) await w.redis.zincrby(await sourceList(w, id), '0.5', id);
      return { 'score-differs': moved };
    },
  },
  {
    rule: 'feedback-unreadable',
    loads: true,
    async commit(w) {
      const [one = '', two = '', three = ''] = w.ids;
      await w.redis.hdel(hashOf(w, one), 'title');
      await w.redis.hset(hashOf(w, two), 'created_at', 'yesterday');
      await w.redis.hdel(hashOf(w, three), 'body');
      return { 'feedback-unreadable': [one, two, three] };
    },
  },
  {
    rule: 'external-missing',
    loads: true,
    async commit(w) {
      const { id, key } = await external(w);
      await w.redis.del(key);
      return { 'external-missing': [id] };
    },
  },
  {
    rule: 'external-elsewhere',
    loads: true,
    async commit(w) {
      const { id, key } = await external(w);
      await w.redis.set(key, LOST);
      return { 'external-elsewhere': [id] };
    },
  },
  {
    rule: 'unclustered-without-created',
    loads: true,
    async commit(w) {
      await w.redis.sadd(`feedback:unclustered:${w.project}`, LOST);
      return { 'unclustered-without-created': [LOST] };
    },
  },
];

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
