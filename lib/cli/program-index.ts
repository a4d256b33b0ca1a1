import { Option, type Command } from 'commander';
import { REINDEX_MODES } from '../reindex/model.js';
import { RUN_KINDS } from '../run-kinds.js';
import { RUN_STATES } from '../runs/model.js';
import { AppError } from '../errors.js';
import { beforeRun, projectId, wholeNumber } from './arguments.js';
import type { Perform } from './context.js';
import type { ReindexOptions } from './reindex.js';
import type { RunsOptions } from './run.js';

const REINDEX_EXAMPLES = `
Everything is embedded again from Redis. Search keeps working meanwhile, except with --mode flush.

Examples:
  soulcaster-backup reindex --project p1 --dry-run          what is there, what is missing, what it would cost
  soulcaster-backup reindex --project p1 --watch            one project, followed to its end
  soulcaster-backup reindex --all --mode missing            only items that have no vector, in all projects
  soulcaster-backup reindex --retry RUN                     what a run left that failed or was incomplete
  soulcaster-backup reindex --all --into :g2 --model gemini-embedding-2
                                                            vectors of another model, beside those that are searched
  soulcaster-backup reindex --all --into :g2 --drop-old     once the application searches the new ones`;

/** The commands of the vector index, and the one that shows any run. */
export function addIndexCommands(program: Command, perform: Perform): void {
  program
    .command('reindex')
    .description('rebuild the vector index from Redis, and prove it')
    .option('--project <id>', 'this project only', projectId)
    .option('--all', 'all projects')
    .addOption(
      new Option(
        '--mode <mode>',
        'in-place (the default): search keeps working; flush: clear first; missing: only items without a vector',
      ).choices(REINDEX_MODES),
    )
    .option('--retry <run>', 'finish what this run left undone; what it embedded is not embedded again')
    .option('--into <suffix>', 'build beside, in namespaces whose names end in this; search continues in the old ones')
    .option('--next', 'build beside, in the index of UPSTASH_VECTOR_NEXT_REST_URL')
    .option('--model <name>', 'the model of what is built beside, in place of EMBEDDING_MODEL')
    .option('--dimensions <number>', 'its dimensions, in place of EMBEDDING_DIMENSIONS', wholeNumber)
    .option('--drop-old', 'remove the old vectors, once the new ones are proven')
    .option('--yes-over-days', 'let mode flush clear although embedding all takes days within the limits')
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--watch', 'follow the run to its end, also without a terminal')
    .option('--local', 'do all work in this process, without the queue (the default without QSTASH_TOKEN)')
    .option('--yes', 'do not ask')
    .addHelpText('after', REINDEX_EXAMPLES)
    .action((options: ReindexOptions) =>
      perform(async (context) => (await import('./reindex.js')).reindex(context, options)),
    );
  program
    .command('run')
    .description('show how far a run is, or how it ended; without an id, the newest runs')
    .argument('[id]', 'id of the run; left out, the newest are listed')
    .option('--watch', 'follow it to its end')
    .option('--replica', 'of the second store, BACKUP_REPLICA_STORE')
    .addOption(new Option('--kind <kind>', 'list: runs of this kind').choices(RUN_KINDS.map(({ kind }) => kind)))
    .addOption(new Option('--state <state>', 'list: runs in this state').choices(RUN_STATES))
    .option('--project <id>', 'list: runs whose scope names this project', projectId)
    .option(
      '--before <id>',
      'list: runs before this one, which the last line of a longer list names, or a time',
      beforeRun,
    )
    .action((id: string | undefined, options: { watch?: boolean } & RunsOptions) =>
      perform(async (context) => {
        const { run, runs } = await import('./run.js');
        demandSense(id, options);
        return id === undefined ? runs(context, options) : run(context, id, options);
      }),
    );
}

/** Throws `usage` for options of a list beside an id, and for what can only be watched of one run. */
function demandSense(id: string | undefined, options: { watch?: boolean } & RunsOptions): void {
  const list = (['kind', 'state', 'project', 'before'] as const).find((name) => options[name] !== undefined);
  if (id !== undefined && list !== undefined) {
    throw new AppError('usage', `--${list} goes with no id of a run`, { hint: 'Leave out the id, or the option.' });
  }
  if (id === undefined && options.watch === true) {
    throw new AppError('usage', '--watch goes with the id of a run', {
      hint: 'Give the id: `npx soulcaster-backup run --env-file .env` lists the newest.',
    });
  }
}
