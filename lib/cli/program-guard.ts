import type { Command } from 'commander';
import type { Perform } from './program.js';

/** The commands that keep the store in order. */
export function addGuardCommands(program: Command, perform: Perform): void {
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
