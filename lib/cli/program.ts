import { Argument, Command, Option } from 'commander';
import { VERSION } from '../version.js';
import { lazy, type Perform } from './context.js';
import { addGuardCommands, addIndexCommands } from './program-operations.js';
import { addSetupCommands, addAccountCommands, addUpstashCommands } from './program-setup.js';
import { addErasureCommands, addRestore, addTransferCommands } from './program-restore.js';
import { addInspectCommands, addSnapshotCommands } from './program-snapshots.js';
import { LOCAL, parseNumber, parseCount } from './arguments.js';

const EXIT_CODES = `0 done, 1 failed, 2 usage or configuration, 3 incomplete or doubtful, 10 not found, 11 locked, 12 wrong key,
130 interrupted (SIGINT, SIGTERM, SIGHUP) or cancelled.`;

const EXAMPLES = `
Examples:
  soulcaster-backup doctor                      check that everything is set up correctly
  soulcaster-backup backup                      take a snapshot now
  soulcaster-backup snapshots list              list the snapshots and whether they are trusted
  soulcaster-backup status                      show whether the objectives are met, and open alerts
  soulcaster-backup verify latest               read the latest snapshot back and check it
  soulcaster-backup diff latest live            show what has changed since the latest snapshot
  soulcaster-backup find "login fails" --all    find the snapshots with this text, and when it disappeared
  soulcaster-backup restore --dry-run           show what a restore would do; without --dry-run it asks first
  soulcaster-backup reindex --project p1 --watch    rebuild the vectors of one project from Redis
  soulcaster-backup list --json | jq '.snapshots[0].id'
  soulcaster-backup --env-file .local/env backup --local

Exit codes: ${EXIT_CODES} Environment variables hold the configuration; .env.example explains each.`;

/** Builds the command line. Commands import their code when they run, so that help is printed immediately. */
export function buildProgram(perform: Perform): Command {
  const program = new Command('soulcaster-backup')
    .description("Nightly snapshots of Soulcaster's data in Upstash Redis, verified, kept in S3 and restored.")
    .version(VERSION)
    .option('--json', 'print one JSON document to the standard output, and nothing else')
    .option('--env-file <file>', 'read variables from this file; they override the environment')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  addSnapshotCommands(program, perform);
  addInspectCommands(program, perform);
  addRestore(program, perform);
  addTransferCommands(program, perform);
  addErasureCommands(program, perform);
  addIndexCommands(program, perform);
  addGuardCommands(program, perform);
  addUpstashCommands(program, perform);
  addAccountCommands(program, perform);
  addSetupCommands(program, perform);
  addLocalCommands(program, perform);
  addShellCommands(program, perform);
  return program;
}

function addLocalCommands(program: Command, perform: Perform): void {
  program
    .command('drill')
    .description('restore the newest verified snapshot into the scratch database, verify it, and wipe the database')
    .option(...LOCAL)
    .action(lazy(perform, () => import('./upkeep.js'), 'drill'));
  program
    .command('doctor')
    .description('check every configured service, and report what is wrong and what to do')
    .addOption(new Option('--offline', "do not read the providers' status pages").conflicts('deployment'))
    .option('--deployment [url]', 'instead: check a deployment from outside (default: the one at PUBLIC_URL)')
    .action(lazy(perform, () => import('./doctor.js'), 'doctor'));
  program
    .command('dev')
    .description('run everything on this machine until Ctrl-C: Redis, store, queue and functions')
    .option('--s3', "use Ceph's S3 gateway as object store, instead of a folder")
    .option('--port <p>', 'port of the functions', parseNumber(1, 65_535, 'Give a port number, 1 to 65535.'))
    .option('--projects <n>', 'generate this many projects if the database is empty', parseCount)
    .option('--items <n>', 'feedback items of each generated project', parseCount, 500)
    .option('--incident <name>', 'cause an incident, to practise the runbook; `list` shows the incidents')
    .option('--mend', 'end the parts of the last incident that an operator cannot, and show the status')
    .action(lazy(perform, () => import('./dev.js'), 'dev'));
  program
    .command('demo', { hidden: true })
    .description('a nightly backup from beginning to end, on a separate stack')
    .action(lazy(perform, () => import('./demo.js'), 'demo'));
}

/** The commands that print completion and manual, generated from this program's own commands. */
function addShellCommands(program: Command, perform: Perform): void {
  program
    .command('completion')
    .description('print a shell script that completes commands and options')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .action((shell: 'bash' | 'zsh' | 'fish') =>
      perform(async (context) => (await import('./shell.js')).printCompletion(context, program, shell)),
    );
  program
    .command('man')
    .description('print the manual as a page for `man -l`')
    .action(() => perform(async (context) => (await import('./shell.js')).printManual(context, program, EXIT_CODES)));
}
