import { connect } from '../../lib/app/connect.js';
import type { Stack } from '../stack/index.js';
import type { RunRecord } from '../../lib/runs/model.js';
import type { Context } from '../../lib/cli/context.js';
import { counted } from '../../lib/cli/output/format.js';
import { reportView } from '../../lib/cli/restore/report-view.js';
import { restoredResult, type RestoredResult } from '../../lib/restore/result.js';
import { undoOf } from '../../lib/cli/restore/undo.js';
import { restore } from '../../lib/cli/restore.js';
import { countKeys, deleteProject, loseEverything, findFirstProject } from './damage.js';
import { fileStory } from './file.js';
import { itemStory } from './item.js';
import { restoreByWebhook } from './webhook.js';

/** Results of the demo's restores. */
export interface Restored {
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
