import type { Command } from 'commander';
import type { Perform } from './context.js';
import type { CreateOptions, DeleteOptions, ListOptions } from './upstash/backups.js';
import type { ProviderRestoreOptions } from './upstash/restore.js';

const BACKUPS_EXAMPLES = `
These are backups that Upstash itself keeps: a second line of defence, besides the snapshots of this program. The commands
need UPSTASH_EMAIL, UPSTASH_API_KEY and UPSTASH_REDIS_ID.

Examples:
  soulcaster-backup upstash backups list
  soulcaster-backup upstash backups create --name before-migration
  soulcaster-backup upstash backups restore latest --dry-run       show what would be deleted and restored
  soulcaster-backup upstash backups restore latest                 ask for the name of the database, then restore`;

/** The commands of Upstash's own backups. */
export function addUpstashCommands(program: Command, perform: Perform): void {
  const upstash = program.command('upstash').description("Upstash's own backups of the database");
  const backups = upstash.command('backups').description('list, create, restore or delete them');
  backups.addHelpText('after', BACKUPS_EXAMPLES);
  addBackups(backups, perform);
  addRestore(backups, perform);
  const daily = upstash.command('daily').description('backups that Upstash makes every day and keeps for 1 or 3 days');
  daily
    .command('status')
    .description('show whether daily backups are on, and the newest of them')
    .action(() => perform(async (context) => (await import('./upstash/backups.js')).showDailyStatus(context)));
  for (const word of ['on', 'off'] as const) {
    daily
      .command(word)
      .description(`turn daily backups ${word}`)
      .option('--yes', 'do not ask')
      .action((options: { yes?: boolean }) =>
        perform(async (context) =>
          (await import('./upstash/backups.js')).setDailyBackups(context, word === 'on', options),
        ),
      );
  }
}

function addBackups(backups: Command, perform: Perform): void {
  backups
    .command('list')
    .description('list the backups of the database, newest first')
    .option('--from <database>', 'list the backups of another database of the account, by its id')
    .action((options: ListOptions) =>
      perform(async (context) => (await import('./upstash/backups.js')).listBackups(context, options)),
    );
  backups
    .command('create')
    .description('have Upstash make a backup, and wait until it is complete')
    .option('--name <name>', 'its name (default: a name with the time)')
    .option('--no-wait', 'do not wait until it is complete')
    .action((options: CreateOptions) =>
      perform(async (context) => (await import('./upstash/backups.js')).createProviderBackup(context, options)),
    );
  backups
    .command('delete')
    .description('permanently delete a backup at Upstash')
    .argument('<backup>', 'its id')
    .option('--yes', 'do not ask')
    .action((backup: string, options: DeleteOptions) =>
      perform(async (context) => (await import('./upstash/backups.js')).deleteProviderBackup(context, backup, options)),
    );
}

function addRestore(backups: Command, perform: Perform): void {
  backups
    .command('restore')
    .description('DELETE EVERYTHING in the database, and restore a backup of Upstash into it')
    .argument('[backup]', 'id of a backup, or `latest` for the newest complete one', 'latest')
    .option('--from <database>', 'use a backup of another database of the account, by its id')
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--confirm <name>', 'id or name of the database to replace; asked for on a terminal')
    .option('--no-safety', 'do not save the present state first: the restore cannot be undone')
    .action((backup: string, options: ProviderRestoreOptions) =>
      perform(async (context) => (await import('./upstash/restore.js')).restoreBackup(context, backup, options)),
    );
}
