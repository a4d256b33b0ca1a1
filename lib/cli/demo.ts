import { ensurePrograms, REDIS_SERVER } from '../../dev/packages.js';
import { loadWorkspace } from '../../dev/data/index.js';
import { startStack, type Stack } from '../../dev/stack/index.js';
import { toAppError } from '../errors.js';
import type { Context } from './context.js';
import { nightlyBackup, demoSummary } from '../../dev/demo/nightly.js';
import { proofStory } from '../../dev/demo/proof.js';
import { reindexStory } from '../../dev/demo/reindex.js';
import { restoreStory } from '../../dev/demo/restore.js';
import { projectRoot } from '../project-root.js';
import { listSnapshots } from './list.js';
import { counted, duration } from '../formats.js';
import { verify } from './backup.js';

const PROJECTS = 2;
const ITEMS = 700;
const SEED = 20;
/** Smaller than the default, so that the snapshot has several parts. */
const PART_MIB = '1';

/** `demo`: a nightly backup, disasters and the recovery from them, on a temporary local stack. */
export async function demo(context: Context): Promise<number> {
  const startedAt = Date.now();
  const step = createStepPrinter(context);
  step('Starting the local stack: redis-server, store, queue and functions');
  await ensurePrograms([REDIS_SERVER], (text) => context.note(text));
  const stack = await startStack({
    root: projectRoot(),
    variables: { BACKUP_PART_MIB: PART_MIB },
    functions: { onLog: () => undefined, maxInstances: 2 },
    gemini: { vectors: 'model' },
  });
  try {
    const exit = await runStory(context, stack, step);
    if (exit !== 0) return exit;
  } finally {
    await stack.stop();
  }
  context.print(`\nDone in ${duration(Date.now() - startedAt)}; everything is stopped and removed.\n\n${NEXT}`);
  return 0;
}

async function runStory(context: Context, stack: Stack, step: (text: string) => void): Promise<number> {
  const inStack: Context = { ...context, env: { ...context.env, ...stack.env }, document: () => undefined };
  step(`Generating ${PROJECTS} projects of ${counted(ITEMS, 'feedback item')}`);
  const loaded = await loadWorkspace({ redisUrl: stack.urls.redis, projects: PROJECTS, items: ITEMS, seed: SEED });
  context.print(`  ${counted(loaded.keys, 'key')} in the database`);

  step('Firing the nightly cron over HTTP, as Vercel does: GET /api/cron/backup');
  const night = await nightlyBackup(inStack, stack);
  context.print(`  snapshot ${night.manifest.id} is ${night.manifest.state}`);

  step('Reading it back from the store and checking every line');
  const verified = await verify(inStack, night.manifest.id, { local: true });
  if (verified !== 0) return verified;

  step('Listing the snapshots');
  const listed = await listSnapshots(inStack, { limit: 20 });
  if (listed !== 0) return listed;

  step('Summary');
  context.print(demoSummary(night));
  const restored = await restoreStory(inStack, stack, night.manifest.id, step);
  const indexed = await reindexStory(inStack, stack, step);
  if (indexed.exit !== 0) return indexed.exit;
  const proven = await proofStory(inStack, stack, step);
  if (proven.exit !== 0) return proven.exit;
  const { manifest, milliseconds } = night;
  context.document({
    keys: loaded.keys,
    milliseconds,
    manifest,
    restored,
    answers: indexed.answers,
    status: proven.status,
  });
  return 0;
}

/** Numbers and prints each step; an interrupt ends the demo before the next step. */
function createStepPrinter(context: Context): (text: string) => void {
  let number = 0;
  return (text) => {
    if (context.interrupt.aborted) throw toAppError(context.interrupt.reason);
    number += 1;
    context.print(`${number === 1 ? '' : '\n'}${number}. ${text}`);
  };
}

const NEXT = `Try next:
  node bin/soulcaster-backup.js dev --projects 3        the same stack, running until you stop it
  node bin/soulcaster-backup.js dev --s3                with a real S3 server as store
  node bin/soulcaster-backup.js --help                  all commands`;
