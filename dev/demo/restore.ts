import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { connect } from '../../lib/app/connect.js';
import type { Stack } from '../stack/index.js';
import type { RunRecord } from '../../lib/runs/model.js';
import type { Context } from '../../lib/cli/context.js';
import { counted } from '../../lib/formats.js';
import { reportView } from '../../lib/cli/restore/report-view.js';
import { restoredResult, type RestoredResult } from '../../lib/restore/result.js';
import { undoOf } from '../../lib/cli/restore/ending.js';
import { restore } from '../../lib/cli/restore.js';
import { countKeys, deleteProject, loseEverything, findFirstProject } from './damage.js';
import type { RedisPort } from '../../lib/ports/redis.js';
import { buildKey } from '../../lib/soulcaster/keys.js';
import { cat } from '../../lib/cli/inspect/read.js';
import { diff } from '../../lib/cli/inspect/diff.js';
import { find } from '../../lib/cli/inspect/find.js';
import type { RestoreOptions } from '../../lib/cli/restore/request.js';
import { runOne } from '../../lib/redis/run-one.js';
import { exportFile } from '../../lib/cli/transfer.js';
import { errorOfRun } from '../../lib/cli/carry-out.js';
import { progressView } from '../../lib/cli/output/runs.js';
import { signHeaders } from '../../lib/services/standard-webhooks.js';
import { readRunId, showUntilEnd } from './nightly.js';

/** Results of the demo's restores. */
interface Restored {
  readonly project: RestoredResult | null;
  readonly everything: RestoredResult | null;
}

type Step = (text: string) => void;

const DEFAULTS = { mode: 'replace', ttl: 'keep', safety: true, settle: true, reindex: false } as const;

/** Loses an item, a project, then everything, and restores each; then undoes the last restore, and restores from a file. */
export async function restoreStory(context: Context, stack: Stack, snapshot: string, step: Step): Promise<Restored> {
  const { redis } = connect(stack.env, ['redis']);
  const project = await findFirstProject(redis);

  await itemStory(context, redis, { project, options: DEFAULTS }, step);

  step(`Deleting project ${project}, as a wrong click would`);
  context.print(`  ${counted(await deleteProject(redis, project), 'key')} gone`);

  step('What would a restore do? A dry run, which changes nothing');
  await restore(context, 'latest', { ...DEFAULTS, project: [project], dryRun: true });

  step('Restoring the project by a signed request: POST /api/webhooks/restore');
  const one = await restoreByWebhook(context, stack, { snapshot: 'latest', scope: { project }, reindex: false });
  await print(context, stack, one);

  step('Losing everything; a few wrong keys are there instead');
  await loseEverything(redis);
  context.print(`  ${counted(await countKeys(redis), 'key')} in the database`);

  step('Restoring everything, confirmed with the id of the snapshot');
  const all = await restoreByWebhook(context, stack, {
    snapshot,
    scope: { all: true },
    confirm: snapshot,
    reindex: false,
  });
  await print(context, stack, all);
  context.print(`  ${counted(await countKeys(redis), 'key')} in the database`);

  step('Undoing that restore, with the snapshot that it took before it wrote');
  await restore(context, all.id, { ...DEFAULTS, yes: true });
  context.print(`  ${counted(await countKeys(redis), 'key')} in the database: the wrong ones, as before`);

  await fileStory(context, redis, { snapshot, options: DEFAULTS }, step);
  return { project: restoredResult(one.result), everything: restoredResult(all.result) };
}

async function print(context: Context, stack: Stack, run: RunRecord): Promise<void> {
  const { store } = connect(stack.env, ['store']);
  const result = restoredResult(run.result);
  if (result !== null) context.print(reportView(result, await undoOf(store, run)));
}

/** The fields of an item that a deletion needs. */
interface Item {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  readonly external: string | null;
}

/** Finds an item, shows it, deletes it as the application does, compares, and restores this one item. */
async function itemStory(
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

/** Exports the snapshot into one file, and restores an empty database from that file. */
async function fileStory(
  context: Context,
  redis: RedisPort,
  { options, snapshot }: { readonly options: RestoreOptions; readonly snapshot: string },
  step: (text: string) => void,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'soulcaster-demo-'));
  try {
    const file = join(folder, 'night.jsonl.gz');
    step('Exporting the snapshot into one file: export');
    await exportFile(context, snapshot, file, { format: 'jsonl' });

    step('Restoring that file into an empty database');
    await runOne(redis, (sdk) => sdk.flushall());
    await restore(context, file, { ...options, fromSource: true, yes: true });
    context.print(`  ${counted(await countKeys(redis), 'key')} in the database: the data of the snapshot`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const PATH = '/api/webhooks/restore';

/** Sends a signed request to the restore webhook and shows its run until the end. Throws the run's error. */
async function restoreByWebhook(context: Context, stack: Stack, request: object): Promise<RunRecord> {
  const ports = connect(stack.env, ['clock', 'store']);
  const body = JSON.stringify(request);
  const response = await fetch(new URL(PATH, stack.urls.functions), {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      ...signHeaders({ clock: ports.clock, secret: stack.secrets.webhookSecret }, body, `demo_${randomUUID()}`),
    },
  });
  const view = progressView(context, () => ports.clock.now());
  try {
    const run = await showUntilEnd(ports, await readRunId(response), context.interrupt, (record) =>
      view.update(record),
    );
    const error = errorOfRun(run);
    if (error !== null) throw error;
    return run;
  } finally {
    view.stop();
  }
}
