import { InvalidArgumentError, type Command, Option } from 'commander';
import { LOCAL, parseTime, parseRunOrTime, parseNumber } from './arguments.js';
import { parseProjectId } from '../soulcaster/selection.js';
import { lazy, type Perform } from './context.js';
import { REINDEX_MODES } from '../reindex/model.js';
import { RUN_KINDS } from '../run-kinds.js';
import { RUN_STATES } from '../runs/model.js';
import { AppError } from '../errors.js';
import type { RunsOptions } from './run.js';

/** The commands of monitoring, retention and replication. */
export function addGuardCommands(program: Command, perform: Perform): void {
  program
    .command('status')
    .description('show whether the objectives are met: age of the newest snapshot, last drill, runs, open alerts')
    .option('--projects', 'instead: show what is saved and searchable of each project')
    .action((options: { projects?: boolean }) =>
      perform(async (context) =>
        options.projects === true
          ? (await import('./status.js')).showProjects(context)
          : (await import('./status.js')).status(context),
      ),
    );
  addAlerts(program, perform);
  program
    .command('cancel')
    .description('end a run now, as failed, and release its lease and locks')
    .argument('<run>', 'id of the run')
    .option('--database-gone', 'the target of the unfinished restore no longer exists: keep no snapshot for it')
    .option('--replica', 'of the second store, BACKUP_REPLICA_STORE')
    .action(lazy(perform, () => import('./unlock.js'), 'cancel'));
  program
    .command('unlock')
    .description('show the leases held by runs or, with --yes, end one')
    .argument('[lease]', 'name of a lease, such as database')
    .option('--yes', 'end the lease')
    .option('--replica', 'of the second store, BACKUP_REPLICA_STORE')
    .action(lazy(perform, () => import('./unlock.js'), 'unlock'));
  program
    .command('guard')
    .description('run the guard now: stuck runs, a snapshot and a drill if due, chain, services, alerts')
    .option(...LOCAL)
    .action(lazy(perform, () => import('./upkeep.js'), 'guardByHand'));
  program
    .command('prune')
    .description('remove expired snapshots (RETENTION_ variables) and obsolete objects; works in a full store')
    .option('--dry-run', 'show what would be removed and why the rest is kept; change nothing')
    .option('--replica', 'prune the second store, BACKUP_REPLICA_STORE')
    .action(lazy(perform, () => import('./upkeep.js'), 'prune'));
  program
    .command('replicate')
    .description('copy the verified snapshots to the second store, BACKUP_REPLICA_STORE, and prune it')
    .option('--dry-run', 'show what would be copied and change nothing')
    .action(lazy(perform, () => import('./upkeep.js'), 'replicate'));
}

function addAlerts(program: Command, perform: Perform): void {
  const alerts = program
    .command('alerts')
    .description('list open and acknowledged alerts, and whether messages arrive; exit 1 while any is open')
    .action(lazy(perform, () => import('./alerts.js'), 'listAlerts'));
  alerts
    .command('list')
    .description('the same as `alerts`')
    .action(lazy(perform, () => import('./alerts.js'), 'listAlerts'));
  alerts
    .command('test')
    .description('send a test message to ALERT_WEBHOOK_URL and show the answer')
    .action(lazy(perform, () => import('./alerts.js'), 'testAlerts'));
  alerts
    .command('ack')
    .description('acknowledge an open alert: it stays closed until its message changes, or until a given time')
    .argument('<code>', 'code of the alert, such as chain-broken')
    .argument('[subject]', 'subject of the alert (default: every open alert with the code)')
    .requiredOption('--reason <text>', 'why; shown with the alert', parseReason)
    .option('--until <time>', 'when the alert opens again, such as 2026-12-01T00:00:00Z', parseTime)
    .action(lazy(perform, () => import('./alerts.js'), 'acknowledgeAlert'));
}

function parseReason(text: string): string {
  if (text.trim() !== '' && text.length <= 500) return text;
  throw new InvalidArgumentError('Give a text of 1 to 500 characters.');
}

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
      parseNumber(0, 999_999_999, 'Give a whole number.'),
    )
    .option('--drop-old', 'remove the old vectors, if the new ones are verified')
    .option('--yes-over-days', 'allow mode flush although embedding everything takes days within the limits')
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--watch', 'follow the run to its end, even without a terminal')
    .option(...LOCAL)
    .option('--yes', 'do not ask')
    .addHelpText('after', REINDEX_EXAMPLES)
    .action(lazy(perform, () => import('./reindex.js'), 'reindex'));
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
