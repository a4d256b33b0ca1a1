import type { ProviderBackup } from '../../ports/upstash-account.js';
import { bytes, duration } from '../../formats.js';
import { printable } from '../../snapshot/ledger.js';
import { table } from '../output/table.js';
import { loadConfig, type Environment } from '../../app/config.js';
import { connect } from '../../app/connect.js';
import type { Clock, UpstashAccount } from '../../ports/index.js';
import { createBackup, findNamedBackup, removeBackup, switchDaily } from '../../provider-backups/backups.js';
import type { Context } from '../context.js';
import { assertCanPrompt, confirmTyped } from '../prompt.js';

const MADE = { 'by-hand': 'by hand', daily: 'daily', hourly: 'hourly' } as const;

/** A backup in the JSON documents of these commands. */
export function backupDocument(backup: ProviderBackup): object {
  return { ...backup, createdAt: timeOf(backup) };
}

export function timeOf({ createdAt }: ProviderBackup): string {
  return new Date(createdAt).toISOString();
}

export function ageOf({ createdAt }: ProviderBackup, now: number): string {
  return duration(Math.max(0, now - createdAt));
}

export function sizeOf({ bytes: size }: ProviderBackup): string {
  return size === null || size === 0 ? 'not known' : bytes(size);
}

export function backupTable(backups: readonly ProviderBackup[], now: number): string {
  const rows = backups.map((backup) => [
    backup.id,
    printable(backup.name),
    ageOf(backup, now),
    backup.state,
    MADE[backup.made],
    sizeOf(backup),
  ]);
  return table(['id', 'name', 'age', 'state', 'made', 'size'], rows, [5]);
}

/** The account and its configured database. Throws `config` naming everything that is missing. */
export function openAccount(env: Environment): { account: UpstashAccount; clock: Clock; database: string } {
  const { UPSTASH_REDIS_ID: database } = loadConfig(env, ['account']).account;
  return { ...connect(env, ['account', 'clock']), database };
}

interface CreateOptions {
  readonly name?: string;
  readonly wait: boolean;
}

interface DeleteOptions {
  readonly yes?: boolean;
}

/** `upstash backups list`: Upstash's backups of the database, newest first. */
export async function listBackups(context: Context, options: { readonly from?: string }): Promise<number> {
  const { account, clock, database } = openAccount(context.env);
  const wanted = options.from ?? database;
  const backups = await account.backups(wanted);
  context.document({ database: wanted, backups: backups.map(backupDocument) });
  context.print(
    backups.length === 0 ? `Upstash has no backup of database ${wanted}.` : backupTable(backups, clock.now()),
  );
  return 0;
}

/** `upstash backups create`. */
export async function createProviderBackup(context: Context, options: CreateOptions): Promise<number> {
  const { account, clock, database } = openAccount(context.env);
  const { interrupt } = context;
  const request = { database, name: options.name ?? null, wait: options.wait, interrupt };
  const backup = await createBackup({ account, clock }, request);
  context.document({ database, backup: backupDocument(backup) });
  const end = backup.state === 'completed' ? `is complete, ${sizeOf(backup)}` : 'was started';
  context.print(`Upstash's backup ${printable(backup.name)} (${backup.id}) ${end}.`);
  return 0;
}

/** `upstash backups delete`. */
export async function deleteProviderBackup(context: Context, wanted: string, options: DeleteOptions): Promise<number> {
  const { account, clock, database } = openAccount(context.env);
  const backup = await findNamedBackup(account, database, wanted);
  const what = `Backup ${printable(backup.name)} (${backup.id}), ${ageOf(backup, clock.now())} old, is deleted permanently.`;
  await confirmYes(context, options.yes, what);
  const removed = await removeBackup(account, database, backup.id);
  context.document({ database, deleted: backupDocument(removed) });
  context.print(`Backup ${removed.id} is deleted.`);
  return 0;
}

const KEPT = 'Upstash keeps each for 1 or 3 days (chosen in the console, Backups tab)';

/** `upstash daily status`. */
export async function showDailyStatus(context: Context): Promise<number> {
  const { account, clock, database } = openAccount(context.env);
  const { dailyBackup, name } = await account.database(database);
  const newest = (await account.backups(database)).find(({ made, state }) => made === 'daily' && state === 'completed');
  context.document({ database, dailyBackup, newest: newest === undefined ? null : backupDocument(newest) });
  const word = dailyBackup === null ? 'not known, because Upstash does not report it' : dailyBackup ? 'on' : 'off';
  const last =
    newest === undefined ? 'there is none' : `the newest is ${ageOf(newest, clock.now())} old (${timeOf(newest)})`;
  context.print(`Daily backups of ${name}: ${word}; ${last}. ${KEPT}.`);
  return 0;
}

/** `upstash daily on|off`. */
export async function setDailyBackups(
  context: Context,
  on: boolean,
  options: { readonly yes?: boolean },
): Promise<number> {
  const { account, database } = openAccount(context.env);
  const { name, plan } = await account.database(database);
  await confirmYes(context, options.yes, on ? turnOnWarning(name, plan) : turnOffWarning(name));
  const { before, database: after } = await switchDaily(account, database, on);
  context.document({ database, before, dailyBackup: after.dailyBackup });
  context.print(`Daily backups of ${after.name} are ${on ? 'on' : 'off'}${before === on ? ', as they were' : ''}.`);
  return 0;
}

function turnOnWarning(name: string, plan: string): string {
  return [
    `Every day Upstash makes a backup of ${name}${plan === '' ? '' : ` (plan ${plan})`}. ${KEPT}.`,
    'While a backup is made, the database is locked for some operations; backups may count as storage of the plan.',
  ].join(' ');
}

function turnOffWarning(name: string): string {
  return `Upstash makes no more daily backups of ${name}; existing backups are removed after 1 or 3 days.`;
}

/** Asks for a yes, unless --yes is given. Throws `usage` without a terminal, and `not-confirmed` on another answer. */
async function confirmYes(context: Context, yes: boolean | undefined, what: string): Promise<void> {
  if (yes === true) return;
  assertCanPrompt(`${what} Give --yes.`);
  context.note(what);
  await confirmTyped(context, 'To continue, type yes: ');
}
