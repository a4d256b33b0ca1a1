import { AppError } from '../errors.js';
import type { ProviderDatabase, UpstashAccount } from '../ports/upstash-account.js';

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
