import { Option, type Command } from 'commander';
import { REINDEX_MODES } from '../reindex/model.js';
import { projectId } from './arguments.js';
import type { Perform } from './program.js';
import type { ReindexOptions } from './reindex.js';

const REINDEX_EXAMPLES = `
Everything is embedded anew from Redis. Search goes on meanwhile, except with --mode flush.

Examples:
  soulcaster-backup reindex --project p1 --dry-run          what is there, what is missing, what it would cost
  soulcaster-backup reindex --project p1 --watch            one project, followed to its end
  soulcaster-backup reindex --all --mode missing            only items that have no vector, in all projects`;

/** The commands of the vector index, and the one that shows any run. */
export function addIndexCommands(program: Command, perform: Perform): void {
  program
    .command('reindex')
    .description('rebuild the vector index from Redis, and prove it')
    .option('--project <id>', 'this project only', projectId)
    .option('--all', 'all projects')
    .addOption(
      new Option('--mode <mode>', 'in-place: search goes on; flush: clear first; missing: only items without a vector')
        .choices(REINDEX_MODES)
        .default('in-place'),
    )
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--watch', 'follow the run to its end, also where this is no terminal')
    .option('--local', 'do all work in this process, without the queue (so it is when QSTASH_TOKEN is not set)')
    .option('--yes', 'do not ask')
    .addHelpText('after', REINDEX_EXAMPLES)
    .action((options: ReindexOptions) =>
      perform(async (context) => (await import('./reindex.js')).reindex(context, options)),
    );
  program
    .command('run')
    .description('show how far a run is, or how it ended')
    .argument('<id>', 'id of the run')
    .option('--watch', 'follow it to its end')
    .action((id: string, options: { watch?: boolean }) =>
      perform(async (context) => (await import('./run.js')).run(context, id, options)),
    );
}
