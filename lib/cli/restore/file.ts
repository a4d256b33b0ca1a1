import { connect } from '../../app/connect.js';
import { hostOf } from '../../app/connect/database.js';
import { AppError } from '../../errors.js';
import { quoted } from '../../restore/scope-words.js';
import { finishStaged } from '../../transfer/publish.js';
import { withSnapshotBeside } from '../../transfer/scratch-store.js';
import type { Context } from '../context.js';
import { restore } from '../restore.js';
import type { RestoreOptions } from './request.js';
import { fileWords, readFile, type FileOptions } from '../read-file.js';

/** `restore FILE`: what is in the file becomes a snapshot of this process, which is restored as any other is. */
export async function restoreFile(
  context: Context,
  path: string,
  options: RestoreOptions & FileOptions,
): Promise<number> {
  demandWords(context, path, options);
  const { clock, signer } = connect(context.env, ['clock', 'signer']);
  const staged = await readFile(context, path, options);
  try {
    const { id } = await finishStaged({ clock, signer }, staged);
    const wrapStore = (store: Parameters<typeof withSnapshotBeside>[0]) => withSnapshotBeside(store, staged.store, id);
    const source = { wrapStore, snapshotWords: `${quoted(path)}${fileWords(options)}` };
    return await restore(context, id, { ...options, local: true, fromSource: true }, source);
  } finally {
    await staged.store.discard();
  }
}

/** Before a file is read that may be large: whether it may be restored there at all. */
function demandWords({ env }: Context, path: string, options: RestoreOptions): void {
  const name = JSON.stringify(path);
  if (options.at !== undefined) {
    throw new AppError('usage', 'Both a file and --at are given', { hint: 'Leave --at out: a file is of one time.' });
  }
  if (options.fromSource === true || options.target !== undefined) return;
  const host = hostOf(env, null) ?? 'the database that is configured';
  throw new AppError(
    'not-confirmed',
    `A file says nothing that can be relied on of which database it is of: ${name} would be restored into ${host}`,
    {
      hint: `If that is meant, say so with --from-source. To restore it into another database: --target NAME.`,
    },
  );
}
