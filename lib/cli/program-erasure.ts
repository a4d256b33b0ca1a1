import { Argument, type Command } from 'commander';
import type { ForgetSubjectOptions } from './erasure.js';
import type { Perform } from './context.js';

const HELP = `
Shows which snapshots still hold the data, and until when retention keeps each. With --reason the user or project is also added
to the erasure list: from then on every restore, undo and drill leaves the data out and says so. Nothing is deleted, neither in
the database nor in a snapshot. docs/operations.md, "Erasure", says what the application deletes and what you have to do.

Data of a user: user:ID, user:projects:ID, and all data of the projects that are this user's alone, which the plan lists. Data
of a project: everything that \`restore --project\` restores, and its place in the lists of users.

Examples:
  soulcaster-backup forget-user cm1abc --dry-run
  soulcaster-backup forget-user cm1abc --reason "request of 26 November, ticket 118"
  soulcaster-backup forget-project p1 --reason "contract ended"
  soulcaster-backup erasures list
  soulcaster-backup erasures withdraw project p1 --reason "it was another project"`;

/** The commands of the erasure list. */
export function addErasureCommands(program: Command, perform: Perform): void {
  for (const kind of ['user', 'project'] as const) {
    program
      .command(`forget-${kind}`)
      .description(`show which snapshots hold data of a ${kind}; with --reason, exclude the data from every restore`)
      .argument('<id>', `whole id of the ${kind}`)
      .option('--reason <text>', 'why, at most 500 characters: adds an entry to the erasure list')
      .option('--dry-run', 'show what restores would leave out, and change nothing')
      .option('--replica', 'with --dry-run: search the second store, BACKUP_REPLICA_STORE')
      .addHelpText('after', HELP)
      .action((id: string, options: ForgetSubjectOptions) =>
        perform(async (context) => (await import('./erasure.js')).forgetSubject(context, { kind, id }, options)),
      );
  }
  const erasures = program.command('erasures').description('list or withdraw entries of the erasure list');
  erasures
    .command('list')
    .description('list the users and projects on the erasure list, with reasons')
    .action(() => perform(async (context) => (await import('./erasure.js')).listErasures(context)));
  erasures
    .command('withdraw')
    .description('withdraw an entry: restores include the data again; the entry is kept, with the reason')
    .addArgument(new Argument('<kind>', 'what the entry names').choices(['user', 'project']))
    .argument('<id>', 'the whole id')
    .requiredOption('--reason <text>', 'why, at most 500 characters')
    .action((kind: 'user' | 'project', id: string, options: { readonly reason: string }) =>
      perform(async (context) => (await import('./erasure.js')).withdrawEntry(context, { kind, id }, options)),
    );
}
