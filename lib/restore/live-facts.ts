import type { RedisCommand, RedisPort, RedisReply } from '../ports/redis.js';
import { pipelineInHalves } from '../redis/halving.js';
import { buildKey } from '../soulcaster/keys.js';
import type { Fields } from '../soulcaster/text.js';
import { refused } from './compare/refusal.js';
import { mergeStored, projectFacts, type StoredFacts } from './facts.js';
import type { Item } from './model.js';
import type { LiveKey } from './walk.js';
import { cutByBytes } from './write/cut-by-bytes.js';
import { BATCH_BYTES } from './write/limits.js';
import { wireBytes } from './write/size.js';

/** What is tied to the projects in the database: jobs name theirs in a field, which takes a command each. */
export async function liveFactsOf(
  redis: RedisPort,
  projects: readonly string[],
  keys: readonly LiveKey[],
): Promise<StoredFacts> {
  const factsIn = projectFacts(projects, true);
  const found = keys.flatMap(({ known }) => (known.family === 'job' ? [] : factsIn(known, '', [], [])));
  const jobs = keys.filter(({ known }) => known.family === 'job');
  const replies: RedisReply[] = [];
  for (const piece of cutByBytes(jobs, ({ key }) => wireBytes(key), BATCH_BYTES)) {
    const commands = piece.map(({ key }): RedisCommand => ['HMGET', key, 'project_id', 'cluster_id']);
    replies.push(...(await pipelineInHalves(redis, commands)));
  }
  const tied = jobs.flatMap(({ known }, at) => factsIn(known, '', jobFields(replies[at]), []));
  return mergeStored([...found, ...tied]);
}

/** A key `job:...` that is no hash ties nothing to anybody. */
function jobFields(reply: RedisReply | undefined): Fields {
  if (reply !== undefined && 'error' in reply && !reply.error.startsWith('WRONGTYPE')) throw refused('HMGET');
  if (reply === undefined || 'error' in reply || !Array.isArray(reply.value)) return [];
  const [project, cluster] = reply.value.map((value) => (Buffer.isBuffer(value) ? value.toString('utf8') : ''));
  return [
    ['project_id', project ?? ''],
    ['cluster_id', cluster ?? ''],
  ];
}

/** The keys of external ids that the live items' own fields name, where they lead to the items. */
export async function liveExternals(redis: RedisPort, items: readonly Item[]): Promise<StoredFacts> {
  const found: StoredFacts = [];
  for (const { project, id } of items) {
    const item = buildKey('feedback', { project, item: id });
    const [fields] = await redis.pipeline([['HMGET', item, 'source', 'external_id']]);
    if (fields === undefined || 'error' in fields || !Array.isArray(fields.value)) continue;
    const [source, external] = fields.value.map((value) => (Buffer.isBuffer(value) ? value.toString('utf8') : ''));
    if (source === undefined || external === undefined || source === '' || external === '') continue;
    const name = buildKey('feedback-external', { project, source, external });
    const [leads] = await redis.pipeline([['GET', name]]);
    const isOurs =
      leads !== undefined && 'value' in leads && Buffer.isBuffer(leads.value) && leads.value.toString('utf8') === id;
    if (isOurs) found.push({ project, jobs: [], clusters: [], users: [], externals: [name] });
  }
  return mergeStored(found);
}
