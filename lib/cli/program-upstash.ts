import type { Command } from 'commander';
import type { Perform } from './context.js';
import type { CreateOptions, DeleteOptions, ListOptions } from './upstash/backups.js';
import type { ProviderRestoreOptions } from './upstash/restore.js';

const BACKUPS_EXAMPLES = `
These are the backups that Upstash itself keeps: a second line of defence, beside the snapshots of this program. They
take UPSTASH_EMAIL, UPSTASH_API_KEY and UPSTASH_REDIS_ID.

Examples:
  soulcaster-backup upstash backups list
  soulcaster-backup upstash backups create --name before-migration
  soulcaster-backup upstash backups restore latest --dry-run       what would be deleted, and what would come back
  soulcaster-backup upstash backups restore latest                 asks for the name of the database`;

/** The commands of Upstash's own backups. */
export function addUpstashCommands(program: Command, perform: Perform): void {
  const upstash = program.command('upstash').description("Upstash's own backups of the database");
  const backups = upstash.command('backups').description('list, create, restore or delete them');
  backups.addHelpText('after', BACKUPS_EXAMPLES);
  addBackups(backups, perform);
  addRestore(backups, perform);
  const daily = upstash.command('daily').description('backups that Upstash makes every day, and keeps for 1 or 3 days');
  daily
    .command('status')
    .description('show whether they are on, and the newest of them')
    .action(() => perform(async (context) => (await import('./upstash/backups.js')).dailyStatus(context)));
  for (const word of ['on', 'off'] as const) {
    daily
      .command(word)
      .description(`turn them ${word}`)
      .option('--yes', 'do not ask')
      .action((options: { yes?: boolean }) =>
        perform(async (context) => (await import('./upstash/backups.js')).daily(context, word === 'on', options)),
      );
  }
}

function addBackups(backups: Command, perform: Perform): void {
  backups
    .command('list')
    .description('list the backups of the database, newest first')
    .option('--from <database>', 'of this database of the account instead, by its id')
    .action((options: ListOptions) =>
      perform(async (context) => (await import('./upstash/backups.js')).listBackups(context, options)),
    );
  backups
    .command('create')
    .description('have Upstash make a backup, and wait until it is complete')
    .option('--name <name>', 'its name (default: one with the time in it)')
    .option('--no-wait', 'do not wait for its end')
    .action((options: CreateOptions) =>
      perform(async (context) => (await import('./upstash/backups.js')).create(context, options)),
    );
  backups
    .command('delete')
    .description('delete a backup at Upstash, for good')
    .argument('<backup>', 'its id')
    .option('--yes', 'do not ask')
    .action((backup: string, options: DeleteOptions) =>
      perform(async (context) => (await import('./upstash/backups.js')).remove(context, backup, options)),
    );
}

function addRestore(backups: Command, perform: Perform): void {
  backups
    .command('restore')
    .description('DELETE EVERYTHING in the database, and fill it from a backup of Upstash')
    .argument('[backup]', 'id of a backup, or `latest` for the newest complete one', 'latest')
    .option('--from <database>', 'a backup of this database of the account, by its id')
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--confirm <name>', 'the id or the name of the database that is to be replaced; asked for at a terminal')
    .option('--no-safety', 'do not save the present state first: then there is no way back')
    .action((backup: string, options: ProviderRestoreOptions) =>
      perform(async (context) => (await import('./upstash/restore.js')).restoreBackup(context, backup, options)),
    );
}
