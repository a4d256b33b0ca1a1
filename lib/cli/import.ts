import { connect } from '../app/connect.js';
import { deploymentOf } from '../app/connect/database.js';
import { AppError, exitCodeOf } from '../errors.js';
import { refreshCatalog } from '../snapshot/catalog-object.js';
import { shortfall } from '../snapshot/ledger.js';
import { canSign } from '../snapshot/tombstone.js';
import { publishStaged } from '../transfer/publish.js';
import type { Context } from './context.js';

import { bytes, counted, printable } from './output/format.js';
import { errorDocument, printError } from './output/report-error.js';
import { storeEnvironment } from './store-choice.js';
import { readInputFile, type FileOptions } from './read-file.js';

export interface ImportOptions extends FileOptions {
  readonly replica?: boolean;
}

/** `import`: stores a file as a snapshot, which is never `latest` and is restored by its id. */
export async function importFile(context: Context, path: string, options: ImportOptions): Promise<number> {
  const env = storeEnvironment(context.env, options.replica);
  const ports = connect(env, ['clock', 'log', 'encryptor', 'signer', 'store'], { log: context.log });
  if (!canSign(ports.signer)) throw publicKeyOnlyError();
  const staged = await readInputFile(context, path, options);
  try {
    const manifest = await publishStaged(ports, staged, context.interrupt);
    await refreshCatalog(ports);
    const { id, counts, ledger, parts, state } = manifest;
    const stored = parts.reduce((sum, part) => sum + part.stored.bytes, 0);
    const error = state === 'complete' ? null : incompleteError(path, manifest);
    context.print(
      [
        `Imported ${printable(path)} as snapshot ${id}: ${counted(counts.keys, 'key')}, ${bytes(stored)}, read back.`,
        'The snapshot is listed as imported and is never `latest`. To see what a restore would do:',
        `  npx soulcaster-backup restore ${id} --from-source --dry-run --env-file .env`,
      ].join('\n'),
    );
    if (error !== null) printError(error, { env: context.env, err: (text) => context.note(text) });
    context.document({
      snapshot: id,
      state,
      trust: 'imported',
      keys: counts.keys,
      storedBytes: stored,
      imported: manifest.imported,
      failed: ledger.failed.count,
      unsupported: ledger.unsupported.types ?? {},
      remarks: staged.remarks,
      deployment: deploymentOf(env),
      error: error === null ? null : errorDocument(error).error,
    });
    return error === null ? 0 : exitCodeOf(error.code);
  } finally {
    await staged.store.discard();
  }
}

function incompleteError(path: string, manifest: Parameters<typeof shortfall>[0]): AppError {
  const { message } = shortfall(manifest);
  return new AppError('incomplete', `${JSON.stringify(path)} does not contain all keys: ${message}`, {
    hint: `See \`npx soulcaster-backup show ${manifest.id} --env-file .env\`. The imported keys can be restored with --mode merge or missing, and with --allow-incomplete if keys are missing that a snapshot can hold.`,
  });
}

function publicKeyOnlyError(): AppError {
  return new AppError('config', 'Only a public signing key is set, so the import could not be signed', {
    hint: 'Set BACKUP_SIGNING_KEY. To restore the file without importing it: `npx soulcaster-backup restore FILE --from-source --env-file .env`.',
  });
}
