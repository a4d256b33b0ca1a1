import { AppError } from '../errors.js';
import type { ProviderBackup, UpstashAccount, ProviderDatabase } from '../ports/upstash-account.js';

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

interface Switched {
  readonly before: boolean | null;
  readonly database: ProviderDatabase;
}

/** Turns Upstash's daily backups of a database on or off, and looks that they are. Doing it twice changes nothing. */
export async function switchDaily(account: UpstashAccount, database: string, on: boolean): Promise<Switched> {
  const { dailyBackup: before } = await account.database(database);
  if (before !== on) await account.setDailyBackup(database, on);
  const after = await account.database(database);
  // Null: Upstash does not say, so its yes must do.
  if (after.dailyBackup === null || after.dailyBackup === on) return { before, database: after };
  throw new AppError('upstash-refused', `Upstash said yes, but daily backups are still ${on ? 'off' : 'on'}`, {
    hint: 'Look at the Backups tab of the database in the Upstash console, and switch them there.',
  });
}
