import { AppError } from '../errors.js';
import type { ProviderBackup, UpstashAccount } from '../ports/upstash-account.js';
import { findBackup } from './find.js';

/** Deletes one backup at Upstash, for good; gives what it was. `latest` is none: what is deleted is named. */
export async function removeBackup(account: UpstashAccount, database: string, backup: string): Promise<ProviderBackup> {
  const found = await nameable(account, database, backup);
  await account.deleteBackup(database, found.id).catch((error: unknown) => {
    // A first request did it, and its answer was lost.
    if (!(error instanceof AppError) || error.code !== 'not-found') throw error;
  });
  return found;
}

/** The backup that is meant, looked up for somebody to agree to its end. Throws `not-found`, and `usage` for `latest`. */
export async function nameable(account: UpstashAccount, database: string, backup: string): Promise<ProviderBackup> {
  if (backup !== 'latest') return findBackup(account, database, backup);
  throw new AppError('usage', 'A backup to be deleted is named by its id', {
    hint: 'See `npx soulcaster-backup upstash backups list --env-file .env` for the ids.',
  });
}
