import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisPort } from '../../lib/ports/redis.js';
import { runOne } from '../../lib/redis/run-one.js';
import type { Context } from '../../lib/cli/context.js';
import { exportFile } from '../../lib/cli/export.js';
import { counted } from '../../lib/cli/output/format.js';
import { restore } from '../../lib/cli/restore.js';
import type { RestoreOptions } from '../../lib/cli/restore/request.js';
import { countKeys } from './damage.js';

/** Exports the snapshot into one file, and restores an empty database from that file. */
export async function fileStory(
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
