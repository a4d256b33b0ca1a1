import { connect } from '../../app/connect.js';
import { hostOf } from '../../app/connect/database.js';
import { AppError } from '../../errors.js';
import { quoted } from '../../restore/scope-words.js';
import { finalizeStaged } from '../../transfer/publish.js';
import { withSnapshotBeside } from '../../transfer/scratch-store.js';
import type { Context } from '../context.js';
import { restore } from '../restore.js';
import type { RestoreOptions } from './request.js';
import { fileOptionsText, readInputFile, type FileOptions } from '../read-file.js';

/** `restore FILE`: turns the file into a snapshot within this process and restores that. */
export async function restoreFile(
  context: Context,
  path: string,
  options: RestoreOptions & FileOptions,
): Promise<number> {
  assertTargetConfirmed(context, path, options);
  const { clock, signer } = connect(context.env, ['clock', 'signer']);
  const staged = await readInputFile(context, path, options);
  try {
    const { id } = await finalizeStaged({ clock, signer }, staged);
    const wrapStore = (store: Parameters<typeof withSnapshotBeside>[0]) => withSnapshotBeside(store, staged.store, id);
    const source = { wrapStore, snapshotWords: `${quoted(path)}${fileOptionsText(options)}` };
    return await restore(context, id, { ...options, local: true, fromSource: true }, source);
  } finally {
    await staged.store.discard();
  }
}

/** Checks before reading a possibly large file that it may be restored into the target. */
function assertTargetConfirmed({ env }: Context, path: string, options: RestoreOptions): void {
  const name = JSON.stringify(path);
  if (options.at !== undefined) {
    throw new AppError('usage', 'Both a file and --at are given', {
      hint: 'Omit --at: a file holds a single point in time.',
    });
  }
  if (options.fromSource === true || options.target !== undefined) return;
  const host = hostOf(env, null) ?? 'the configured database';
  throw new AppError(
    'not-confirmed',
    `A file does not prove which database it comes from: ${name} would be restored into ${host}`,
    { hint: 'If this is intended, give --from-source. To restore the file into another database, give --target NAME.' },
  );
}
