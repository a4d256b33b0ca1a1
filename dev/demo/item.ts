import type { RedisPort } from '../../lib/ports/redis.js';
import { buildKey } from '../../lib/soulcaster/keys.js';
import type { Context } from '../../lib/cli/context.js';
import { cat } from '../../lib/cli/inspect/cat.js';
import { diff } from '../../lib/cli/inspect/diff.js';
import { find } from '../../lib/cli/inspect/find.js';
import { restore } from '../../lib/cli/restore.js';
import type { RestoreOptions } from '../../lib/cli/restore/request.js';

/** The fields of an item that a deletion needs. */
interface Item {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  readonly external: string | null;
}

/** Finds an item, shows it, deletes it as the application does, compares, and restores this one item. */
export async function itemStory(
  context: Context,
  redis: RedisPort,
  { options, project }: { readonly options: RestoreOptions; readonly project: string },
  step: (text: string) => void,
): Promise<void> {
  const item = await newestItem(redis, project);
  const key = buildKey('feedback', { project, item: item.id });

  step(`Finding an item (${item.title}) by its id, in every key of the snapshot that contains the id: find`);
  await find(context, item.id, { project: [project], limit: 10 });

  step('Showing the item in the snapshot: cat');
  await cat(context, 'latest', key, {});

  step('Deleting the item, as the application does, and comparing the snapshot with the database: diff');
  await deleteItem(redis, project, item);
  await diff(context, 'latest', 'live', { project: [project], keys: true });

  step('Restoring this one item, into every list that held it: restore --item');
  await restore(context, 'latest', { ...options, item: [`${project}/${item.id}`], yes: true });
  await diff(context, 'latest', 'live', { project: [project] });
}

async function newestItem(redis: RedisPort, project: string): Promise<Item> {
  const created = buildKey('feedback-created', { project });
  const [id = ''] = textsOf((await redis.pipeline([['ZRANGE', created, -1, -1]]))[0]);
  const fields = ['title', 'source', 'external_id'];
  const reply = await redis.pipeline([['HMGET', buildKey('feedback', { project, item: id }), ...fields]]);
  const [title = '', source = '', external = ''] = textsOf(reply[0]);
  return { id, title, source, external: external === '' ? null : external };
}

async function deleteItem(redis: RedisPort, project: string, { external, id, source }: Item): Promise<void> {
  await redis.pipeline([
    ['DEL', buildKey('feedback', { project, item: id })],
    ['ZREM', buildKey('feedback-created', { project }), id],
    ['ZREM', buildKey('feedback-source', { project, source }), id],
    ['SREM', buildKey('feedback-unclustered', { project }), id],
    ...(external === null
      ? []
      : [['DEL', buildKey('feedback-external', { project, source, external })] as ['DEL', string]]),
  ]);
}

/** The texts of a list reply; null becomes ''. */
function textsOf(reply: Awaited<ReturnType<RedisPort['pipeline']>>[number] | undefined): string[] {
  if (reply === undefined || !('value' in reply) || !Array.isArray(reply.value)) return [];
  return reply.value.map((value) => (Buffer.isBuffer(value) ? value.toString('utf8') : ''));
}
