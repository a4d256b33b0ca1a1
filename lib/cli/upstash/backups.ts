import { createBackup, findNamedBackup, removeBackup, switchDaily } from '../../provider-backups/backups.js';
import type { Context } from '../context.js';
import { printable } from '../output/format.js';
import { openAccount, ageOf, backupDocument, backupTable, sizeOf, timeOf } from './views.js';
import { AppError } from '../../errors.js';
import { prompt, canPrompt } from '../prompt.js';

export interface ListOptions {
  readonly from?: string;
}

export interface CreateOptions {
  readonly name?: string;
  readonly wait: boolean;
}

export interface DeleteOptions {
  readonly yes?: boolean;
}

/** `upstash backups list`: what Upstash keeps of the database, newest first. */
export async function listBackups(context: Context, options: ListOptions): Promise<number> {
  const { account, clock, database } = openAccount(context.env);
  const of = options.from ?? database;
  const backups = await account.backups(of);
  context.document({ database: of, backups: backups.map(backupDocument) });
  context.print(backups.length === 0 ? `Upstash has no backup of database ${of}.` : backupTable(backups, clock.now()));
  return 0;
}

/** `upstash backups create`. */
export async function create(context: Context, options: CreateOptions): Promise<number> {
  const { account, clock, database } = openAccount(context.env);
  const { interrupt } = context;
  const request = { database, name: options.name ?? null, wait: options.wait, interrupt };
  const backup = await createBackup({ account, clock }, request);
  context.document({ database, backup: backupDocument(backup) });
  const end = backup.state === 'completed' ? `is complete, ${sizeOf(backup)}` : 'has begun';
  context.print(`Upstash's backup ${printable(backup.name)} (${backup.id}) ${end}.`);
  return 0;
}

/** `upstash backups delete`. */
export async function remove(context: Context, wanted: string, options: DeleteOptions): Promise<number> {
  const { account, clock, database } = openAccount(context.env);
  const backup = await findNamedBackup(account, database, wanted);
  const what = `Backup ${printable(backup.name)} (${backup.id}), ${ageOf(backup, clock.now())} old, is deleted for good.`;
  await demandYes(context, options.yes, what);
  const removed = await removeBackup(account, database, backup.id);
  context.document({ database, deleted: backupDocument(removed) });
  context.print(`Backup ${removed.id} is deleted.`);
  return 0;
}

const KEPT = 'Upstash keeps each for 1 or 3 days (chosen in the console, Backups tab)';

/** `upstash daily status`. */
export async function dailyStatus(context: Context): Promise<number> {
  const { account, clock, database } = openAccount(context.env);
  const { dailyBackup, name } = await account.database(database);
  const newest = (await account.backups(database)).find(({ made, state }) => made === 'daily' && state === 'completed');
  context.document({ database, dailyBackup, newest: newest === undefined ? null : backupDocument(newest) });
  const word = dailyBackup === null ? 'Upstash does not tell whether daily backups are on' : dailyBackup ? 'on' : 'off';
  const last =
    newest === undefined ? 'none is there' : `the newest is ${ageOf(newest, clock.now())} old (${timeOf(newest)})`;
  context.print(`Daily backups of ${name}: ${word}; ${last}. ${KEPT}.`);
  return 0;
}

/** `upstash daily on|off`. */
export async function daily(context: Context, on: boolean, options: { readonly yes?: boolean }): Promise<number> {
  const { account, database } = openAccount(context.env);
  const { name, plan } = await account.database(database);
  await demandYes(context, options.yes, on ? whatOnMeans(name, plan) : whatOffMeans(name));
  const { before, database: after } = await switchDaily(account, database, on);
  context.document({ database, before, dailyBackup: after.dailyBackup });
  context.print(`Daily backups of ${after.name} are ${on ? 'on' : 'off'}${before === on ? ', as they were' : ''}.`);
  return 0;
}

function whatOnMeans(name: string, plan: string): string {
  return [
    `Every day Upstash makes a backup of ${name}${plan === '' ? '' : ` (plan ${plan})`}. ${KEPT}.`,
    'While it is made the database is locked for some operations, and what a backup takes may count as storage of the plan.',
  ].join(' ');
}

function whatOffMeans(name: string): string {
  return `Upstash makes no more daily backups of ${name}; those there are go after 1 or 3 days.`;
}

/** Continues when somebody types yes, or gave --yes. Throws `usage` where nobody can be asked, and `not-confirmed`. */
async function demandYes(context: Context, yes: boolean | undefined, what: string): Promise<void> {
  if (yes === true) return;
  if (!canPrompt()) {
    throw new AppError('usage', 'Nobody is here to confirm it: this is no terminal', { hint: `${what} Give --yes.` });
  }
  context.note(what);
  if ((await prompt('To go on, type yes: ', context.interrupt)) === 'yes') return;
  throw new AppError('not-confirmed', 'Nothing was changed: the answer was not yes', {
    hint: 'Start the command again when you are sure.',
  });
}
