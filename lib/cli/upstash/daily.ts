import { switchDaily } from '../../provider-backups/backups.js';
import type { Context } from '../context.js';
import { openAccount } from './account.js';
import { demandYes } from './agree.js';
import { ageOf, backupDocument, timeOf } from './views.js';

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
