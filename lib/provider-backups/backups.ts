import { AppError } from '../errors.js';
import type { ProviderBackup, UpstashAccount, ProviderDatabase } from '../ports/upstash-account.js';
import type { Clock } from '../ports/clock.js';
import { newId } from '../runs/ids.js';

const LATEST = 'latest';

/** A backup by its id, or `latest` for the newest complete one. Throws `not-found` and `not-restorable`. */
export async function findBackup(account: UpstashAccount, database: string, wanted: string): Promise<ProviderBackup> {
  const backups = await account.backups(database);
  if (wanted === LATEST) {
    const newest = backups.find(({ state }) => state === 'completed');
    if (newest !== undefined) return newest;
    throw new AppError('not-found', `Upstash has no complete backup of database ${database}`, {
      hint: 'List the backups: `npx soulcaster-backup upstash backups list --env-file .env`; for a backup of another database give --from.',
    });
  }
  const found = backups.find(({ id }) => id === wanted);
  if (found !== undefined) return found;
  throw new AppError(
    'not-found',
    `Upstash has no backup ${JSON.stringify(wanted.slice(0, 64))} of database ${database}`,
    {
      hint: 'List the ids: `npx soulcaster-backup upstash backups list --env-file .env`; for a backup of another database give --from.',
    },
  );
}

/** Deletes one backup at Upstash permanently and returns it. Refuses `latest`: the backup must be named by its id. */
export async function removeBackup(account: UpstashAccount, database: string, backup: string): Promise<ProviderBackup> {
  const found = await findNamedBackup(account, database, backup);
  await account.deleteBackup(database, found.id).catch((error: unknown) => {
    // An earlier request deleted it, and its answer was lost.
    if (!(error instanceof AppError) || error.code !== 'not-found') throw error;
  });
  return found;
}

/** Finds the backup to delete, for a confirmation. Throws `not-found`, and `usage` for `latest`. */
export async function findNamedBackup(
  account: UpstashAccount,
  database: string,
  backup: string,
): Promise<ProviderBackup> {
  if (backup !== LATEST) return findBackup(account, database, backup);
  throw new AppError('usage', 'A backup is deleted by its id, not as `latest`', {
    hint: 'List the ids: `npx soulcaster-backup upstash backups list --env-file .env`.',
  });
}

interface SwitchedDaily {
  readonly before: boolean | null;
  readonly database: ProviderDatabase;
}

/** Turns Upstash's daily backups of a database on or off, and verifies the change. Idempotent. */
export async function switchDaily(account: UpstashAccount, database: string, on: boolean): Promise<SwitchedDaily> {
  const { dailyBackup: before } = await account.database(database);
  if (before !== on) await account.setDailyBackup(database, on);
  const after = await account.database(database);
  // Null: Upstash does not report the setting, so its acceptance has to do.
  if (after.dailyBackup === null || after.dailyBackup === on) return { before, database: after };
  throw new AppError(
    'upstash-refused',
    `Upstash accepted the request, but daily backups are still ${on ? 'off' : 'on'}`,
    {
      hint: 'Open the Backups tab of the database in the Upstash console and switch them there.',
    },
  );
}

interface CreatePorts {
  readonly account: UpstashAccount;
  readonly clock: Clock;
}

interface CreateRequest {
  readonly database: string;
  /** Null: a generated name that contains the time. */
  readonly name: string | null;
  /** Whether to wait for its end. */
  readonly wait: boolean;
  readonly interrupt: AbortSignal;
}

const POLL_MS = 2_000;
const WAIT_LIMIT_MS = 15 * 60_000;
/** A backup that has begun is listed within this time. */
const APPEAR_MS = 20_000;

/**
 * Makes Upstash create a backup, and waits until it is complete. If the answer to the request is lost, the list shows whether
 * a backup of that name exists. Throws, besides the port's errors, `upstash-refused` if the backup failed,
 * `upstash-unavailable` if its end was not seen in time, `interrupted`, and `usage` if the name is taken.
 */
export async function createBackup({ account, clock }: CreatePorts, request: CreateRequest): Promise<ProviderBackup> {
  const { database, wait, interrupt } = request;
  const name = request.name ?? `soulcaster-${newId(clock.now())}`;
  if (findByName(await account.backups(database), name) !== undefined)
    throw new AppError('usage', `There is already a backup called ${JSON.stringify(name)}`, {
      hint: 'Give another --name, or none: the backup then gets a name with the time.',
    });
  const doubt = await requestBackup(account, database, name);
  const since = clock.now();
  for (;;) {
    const found = findByName(await account.backups(database), name);
    if (found?.state === 'failed')
      throw new AppError('upstash-refused', `Upstash reports that its backup ${name} failed`, {
        hint: `${LIST}, then try again. Snapshots of this program do not depend on it: \`npx soulcaster-backup backup --env-file .env\`.`,
      });
    if (found !== undefined && (!wait || found.state === 'completed')) return found;
    const elapsed = clock.now() - since;
    if (found === undefined && elapsed >= APPEAR_MS) throw doubt ?? notListedError(name);
    if (elapsed >= WAIT_LIMIT_MS) throw timeoutError(name);
    if (interrupt.aborted) throw interruptedError(name);
    await clock.sleep(POLL_MS, interrupt);
  }
}

/** Returns null if Upstash accepted the request, or the error if that is unknown. */
async function requestBackup(account: UpstashAccount, database: string, name: string): Promise<AppError | null> {
  try {
    await account.createBackup(database, name);
    return null;
  } catch (error) {
    if (error instanceof AppError && error.code === 'upstash-unavailable') return error;
    throw error;
  }
}

function findByName(backups: readonly ProviderBackup[], name: string): ProviderBackup | undefined {
  return backups.find((backup) => backup.name === name);
}

const LIST = 'See `npx soulcaster-backup upstash backups list --env-file .env`';

function notListedError(name: string): AppError {
  return new AppError(
    'upstash-unavailable',
    `Upstash accepted the request, but does not list a backup called ${name}`,
    {
      hint: `${LIST} in a while.`,
      transient: true,
    },
  );
}

function timeoutError(name: string): AppError {
  return new AppError('upstash-unavailable', `Backup ${name} is not complete after ${WAIT_LIMIT_MS / 60_000} minutes`, {
    hint: `It continues at Upstash. ${LIST} later.`,
    transient: true,
  });
}

function interruptedError(name: string): AppError {
  return new AppError('interrupted', `The wait for backup ${name} was interrupted; the backup continues at Upstash`, {
    hint: `${LIST}.`,
  });
}
