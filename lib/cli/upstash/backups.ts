import { createBackup } from '../../provider-backups/create.js';
import { nameable, removeBackup } from '../../provider-backups/backups.js';
import type { Context } from '../context.js';
import { printable } from '../output/format.js';
import { openAccount } from './account.js';
import { demandYes } from './agree.js';
import { ageOf, backupDocument, backupTable, sizeOf } from './views.js';

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
  const backup = await nameable(account, database, wanted);
  const what = `Backup ${printable(backup.name)} (${backup.id}), ${ageOf(backup, clock.now())} old, is deleted for good.`;
  await demandYes(context, options.yes, what);
  const removed = await removeBackup(account, database, backup.id);
  context.document({ database, deleted: backupDocument(removed) });
  context.print(`Backup ${removed.id} is deleted.`);
  return 0;
}
