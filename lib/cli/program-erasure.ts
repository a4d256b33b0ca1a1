import { Argument, type Command } from 'commander';
import type { ForgetSubjectOptions } from './erasure.js';
import type { Perform } from './context.js';

const HELP = `
Shows which snapshots still hold the data, and until when retention keeps each. With --reason the user or project is also put on the
erasure list: from then on every restore, undo and drill leaves the data out and says so. Nothing is deleted, neither in the
database nor in a snapshot. docs/operations.md, "Erasure", says what the application deletes and what has to be done beside it.

Of a user: user:ID, user:projects:ID, and all data of the projects that are this user's alone, which the plan names. Of a
project: all that \`restore --project\` brings back, and its place in lists of users.

Examples:
  soulcaster-backup forget-user cm1abc --dry-run
  soulcaster-backup forget-user cm1abc --reason "request of 26 November, ticket 118"
  soulcaster-backup forget-project p1 --reason "contract ended"
  soulcaster-backup erasures list
  soulcaster-backup erasures withdraw project p1 --reason "it was another project"`;

/** What has to do with the erasure list. */
export function addErasureCommands(program: Command, perform: Perform): void {
  for (const kind of ['user', 'project'] as const) {
    program
      .command(`forget-${kind}`)
      .description(`which snapshots hold data of a ${kind} and until when; with --reason no restore brings it back`)
      .argument('<id>', `whole id of the ${kind}`)
      .option('--reason <text>', 'why, at most 500 characters: puts it on the erasure list')
      .option('--dry-run', 'only show what the list would leave out')
      .option('--replica', 'with --dry-run: the copies in the second store, BACKUP_REPLICA_STORE')
      .addHelpText('after', HELP)
      .action((id: string, options: ForgetSubjectOptions) =>
        perform(async (context) => (await import('./erasure.js')).forgetSubject(context, { kind, id }, options)),
      );
  }
  const erasures = program.command('erasures').description('list and take back what no restore brings back');
  erasures
    .command('list')
    .description('the users and projects on the erasure list, with the reasons')
    .action(() => perform(async (context) => (await import('./erasure.js')).listErasures(context)));
  erasures
    .command('withdraw')
    .description('take an entry back: restores bring the data back again; the entry stays, with the reason')
    .addArgument(new Argument('<kind>', 'of what').choices(['user', 'project']))
    .argument('<id>', 'the whole id')
    .requiredOption('--reason <text>', 'why, at most 500 characters')
    .action((kind: 'user' | 'project', id: string, options: { readonly reason: string }) =>
      perform(async (context) => (await import('./erasure.js')).withdraw(context, { kind, id }, options)),
    );
}
