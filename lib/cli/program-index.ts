import { Option, type Command } from 'commander';
import { REINDEX_MODES } from '../reindex/model.js';
import { RUN_KINDS } from '../run-kinds.js';
import { RUN_STATES } from '../runs/model.js';
import { AppError } from '../errors.js';
import { parseRunOrTime, parseProjectId, parseWholeNumber } from './arguments.js';
import type { Perform } from './context.js';
import type { ReindexOptions } from './reindex.js';
import type { RunsOptions } from './run.js';

const REINDEX_EXAMPLES = `
Items are embedded again from Redis. Search keeps working during the run, except with --mode flush.

Examples:
  soulcaster-backup reindex --project p1 --dry-run          what exists, what is missing, and the cost
  soulcaster-backup reindex --project p1 --watch            one project, followed to the end of the run
  soulcaster-backup reindex --all --mode missing            only items that have no vector, in all projects
  soulcaster-backup reindex --retry RUN                     the rest of a run that failed or was incomplete
  soulcaster-backup reindex --all --into :g2 --model gemini-embedding-2
                                                            new vectors with another model, beside the searched ones
  soulcaster-backup reindex --all --into :g2 --drop-old     remove the old vectors when the new ones are searched`;

/** The commands of the vector index and of runs. */
export function addIndexCommands(program: Command, perform: Perform): void {
  program
    .command('reindex')
    .description('rebuild the vector index from Redis, and verify the result')
    .option('--project <id>', 'this project only', parseProjectId)
    .option('--all', 'all projects')
    .addOption(
      new Option(
        '--mode <mode>',
        'in-place (the default): search keeps working; flush: clear first; missing: only items without a vector',
      ).choices(REINDEX_MODES),
    )
    .option('--retry <run>', 'finish this run; what it embedded is not embedded again')
    .option('--into <suffix>', 'build new vectors in namespaces with this suffix; search continues in the old ones')
    .option('--next', 'build new vectors in the index of UPSTASH_VECTOR_NEXT_REST_URL')
    .option('--model <name>', 'with --into or --next: the model, instead of EMBEDDING_MODEL')
    .option(
      '--dimensions <number>',
      'with --into or --next: the dimensions, instead of EMBEDDING_DIMENSIONS',
      parseWholeNumber,
    )
    .option('--drop-old', 'remove the old vectors, if the new ones are verified')
    .option('--yes-over-days', 'allow mode flush although embedding everything takes days within the limits')
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--watch', 'follow the run to its end, even without a terminal')
    .option('--local', 'do all work in this process, without the queue (the default without QSTASH_TOKEN)')
    .option('--yes', 'do not ask')
    .addHelpText('after', REINDEX_EXAMPLES)
    .action((options: ReindexOptions) =>
      perform(async (context) => (await import('./reindex.js')).reindex(context, options)),
    );
  program
    .command('run')
    .description('show the progress or result of a run; without an id, list the newest runs')
    .argument('[id]', 'id of the run')
    .option('--watch', 'follow the run to its end')
    .option('--replica', 'runs of the second store, BACKUP_REPLICA_STORE')
    .addOption(new Option('--kind <kind>', 'list: runs of this kind').choices(RUN_KINDS.map(({ kind }) => kind)))
    .addOption(new Option('--state <state>', 'list: runs in this state').choices(RUN_STATES))
    .option('--project <id>', 'list: runs whose scope names this project', parseProjectId)
    .option(
      '--before <id>',
      'list: runs before this id, as given at the end of a longer list, or before a time',
      parseRunOrTime,
    )
    .action((id: string | undefined, options: { watch?: boolean } & RunsOptions) =>
      perform(async (context) => {
        const { showRun: run, listRuns: runs } = await import('./run.js');
        assertOptionsFit(id, options);
        return id === undefined ? runs(context, options) : run(context, id, options);
      }),
    );
}

/** Throws `usage` for options of a list together with an id, and for --watch without an id. */
function assertOptionsFit(id: string | undefined, options: { watch?: boolean } & RunsOptions): void {
  const list = (['kind', 'state', 'project', 'before'] as const).find((name) => options[name] !== undefined);
  if (id !== undefined && list !== undefined) {
    throw new AppError('usage', `--${list} cannot be used with the id of a run`, {
      hint: 'Omit the id or the option.',
    });
  }
  if (id === undefined && options.watch === true) {
    throw new AppError('usage', '--watch needs the id of a run', {
      hint: 'Give the id: `npx soulcaster-backup run --env-file .env` lists the newest runs.',
    });
  }
}
