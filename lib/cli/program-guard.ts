import type { Command } from 'commander';
import type { Perform } from './program.js';

/** The commands that see to it that there is a good snapshot, and say whether there is. */
export function addGuardCommands(program: Command, perform: Perform): void {
  program
    .command('status')
    .description('are the objectives met? age of the newest snapshot, time of the last drill, runs, open alerts')
    .action(() => perform(async (context) => (await import('./status.js')).status(context)));
  program
    .command('cancel')
    .description('end a run now, as failed; its lease and its locks are freed')
    .argument('<run>', 'id of the run')
    .action((id: string) => perform(async (context) => (await import('./cancel.js')).cancel(context, id)));
  program
    .command('unlock')
    .description('show the leases that runs hold or, with --yes, end one whoever holds it')
    .argument('[lease]', 'name of a lease, such as database')
    .option('--yes', 'end the lease')
    .action((name: string | undefined, options: { yes?: boolean }) =>
      perform(async (context) => (await import('./unlock.js')).unlock(context, name, options)),
    );
  program
    .command('guard')
    .description('the guard’s turn by hand: stuck runs, a snapshot and a drill if due, chain, services, alerts')
    .option('--local', 'do all work in this process, without the queue (so it is when QSTASH_TOKEN is not set)')
    .action((options: { local?: boolean }) =>
      perform(async (context) => (await import('./guard.js')).guardByHand(context, options)),
    );
  program
    .command('prune')
    .description('remove the snapshots that the RETENTION_ variables let go, and what nothing needs any more')
    .option('--dry-run', 'show what would be removed, and why the rest stays; change nothing')
    .option('--replica', 'in the second store, BACKUP_REPLICA_STORE')
    .action((options: { dryRun?: boolean; replica?: boolean }) =>
      perform(async (context) => (await import('./prune.js')).prune(context, options)),
    );
  program
    .command('replicate')
    .description('copy the verified snapshots to the second store, BACKUP_REPLICA_STORE, and prune it')
    .option('--dry-run', 'show what would be copied and change nothing')
    .action((options: { dryRun?: boolean }) =>
      perform(async (context) => (await import('./replicate.js')).replicate(context, options)),
    );
}
