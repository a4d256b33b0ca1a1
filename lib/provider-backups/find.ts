import { AppError } from '../errors.js';
import type { ProviderBackup, UpstashAccount } from '../ports/upstash-account.js';

const LATEST = 'latest';

/** A backup by its id, or `latest` for the newest that is complete. Throws `not-found` and `not-restorable`. */
export async function findBackup(account: UpstashAccount, database: string, wanted: string): Promise<ProviderBackup> {
  const backups = await account.backups(database);
  if (wanted === LATEST) {
    const newest = backups.find(({ state }) => state === 'completed');
    if (newest !== undefined) return newest;
    throw new AppError('not-found', `Upstash has no complete backup of database ${database}`, {
      hint: 'See `npx soulcaster-backup upstash backups list --env-file .env`; a backup of another database is named with --from.',
    });
  }
  const found = backups.find(({ id }) => id === wanted);
  if (found !== undefined) return found;
  throw new AppError(
    'not-found',
    `Upstash has no backup ${JSON.stringify(wanted.slice(0, 64))} of database ${database}`,
    {
      hint: 'See `npx soulcaster-backup upstash backups list --env-file .env` for the ids; a backup of another database is named with --from.',
    },
  );
}
