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
