import { Command, InvalidArgumentError, Option } from 'commander';
import { EXPIRY_RULES, MODES } from '../restore/model.js';
import { VERSION } from '../version.js';
import type { Context } from './context.js';
import { addGuardCommands } from './program-guard.js';
import { addAccountCommands } from './program-accounts.js';
import { addIndexCommands } from './program-index.js';
import { addUpstashCommands } from './program-upstash.js';
import { projectId, time } from './arguments.js';
import type { AcceptOptions, AdoptOptions } from './snapshots/accept.js';
import type { RestoreOptions } from './restore/request.js';
import type { ShowOptions } from './show.js';

/** Runs a command's work and keeps its exit code. */
export type Perform = (work: (context: Context) => Promise<number>) => Promise<void>;

const EXAMPLES = `
Examples:
  soulcaster-backup doctor                      see whether everything is set up as it should be
  soulcaster-backup backup                      take a snapshot now
  soulcaster-backup snapshots list              see which snapshots there are, and what they are worth
  soulcaster-backup status                      are the objectives met? what is open?
  soulcaster-backup verify latest               read the newest snapshot back and check it
  soulcaster-backup show latest --diff          see what has changed since the newest snapshot
  soulcaster-backup restore --dry-run           see what a restore would do; without --dry-run it asks first
  soulcaster-backup reindex --project p1 --watch    rebuild the vectors of one project from Redis
  soulcaster-backup list --json | jq '.snapshots[0].id'
  soulcaster-backup --env-file .local/env backup --local

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 incomplete or doubtful, 10 not found, 11 locked, 12 wrong key,
130 interrupted (SIGINT, SIGTERM, SIGHUP) or cancelled. The configuration is in environment variables; .env.example explains each.`;

const RESTORE_EXAMPLES = `
Before anything is written every part is checked and what is there is saved as a snapshot of its own, with which the
restore can be undone; after it every key is compared.

Examples:
  soulcaster-backup restore --project p1 --dry-run             what would become of one project
  soulcaster-backup restore --project p1                       that project as the newest verified snapshot has it
  soulcaster-backup restore --at 2026-11-21T02:00:00Z          everything, from the newest snapshot of that time or before
  soulcaster-backup restore 20261122T020000Z-x7k2m9 --mode missing    only keys that are gone
  soulcaster-backup restore 20261122T093000Z-k2m9x7            undo a restore; the report of each gives the very command
  soulcaster-backup restore latest --yes --json                without a terminal
  soulcaster-backup restore latest --no-lock --no-safety       from a store that is full or read-only: no way back`;

const REPLICA = [
  '--replica',
  'of the second store, BACKUP_REPLICA_STORE; all work is then done in this process',
] as const;

const LOCAL = [
  '--local',
  'do all work in this process, without the queue (so it is when QSTASH_TOKEN is not set)',
] as const;

/** The grammar of the command line. What a command needs is loaded when it is called, so that help comes at once. */
export function buildProgram(perform: Perform): Command {
  const program = new Command('soulcaster-backup')
    .description("Nightly snapshots of Soulcaster's data in Upstash Redis, verified, kept in S3 and restored.")
    .version(VERSION)
    .option('--json', 'print one JSON document on the standard output, and nothing else')
    .option('--env-file <file>', 'read variables from this file, over those of the environment')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  addSnapshotCommands(program, perform);
  addRestore(program, perform);
  addIndexCommands(program, perform);
  addGuardCommands(program, perform);
  addUpstashCommands(program, perform);
  addAccountCommands(program, perform);
  addMachineCommands(program, perform);
  return program;
}

function addSnapshotCommands(program: Command, perform: Perform): void {
  program
    .command('backup')
    .description('take a snapshot of the database, read it back and seal it')
    .option(...LOCAL)
    .action((options: { local?: boolean }) =>
      perform(async (context) => (await import('./backup.js')).backup(context, options)),
    );
  addSnapshotViews(program, perform);
  addSnapshotGroup(program, perform);
  program
    .command('verify')
    .description('read a snapshot back and check all of it, and the chain; where the store takes no writes as well')
    .argument('[id]', 'id of a snapshot, `latest` or `newest`', 'latest')
    .option(...REPLICA)
    .option(...LOCAL)
    .action((id: string, options: { local?: boolean; replica?: boolean }) =>
      perform(async (context) => (await import('./verify.js')).verify(context, id, options)),
    );
}

/** `list` and `show`, at the top and in the group. */
function addSnapshotViews(parent: Command, perform: Perform): void {
  parent
    .command('list')
    .description('list the snapshots, newest first, with what each is worth and why')
    .option('--limit <n>', 'list at most so many', wholeNumber, 20)
    .option(...REPLICA)
    .action((options: { limit: number; replica?: boolean }) =>
      perform(async (context) => (await import('./list.js')).list(context, options)),
    );
  parent
    .command('show')
    .description('show what is in a snapshot: counts, ledger, parts, chain, cost')
    .argument('<id>', 'id of a snapshot, `latest` or `newest`')
    .option('--diff', 'compare it with the database: what a restore would change')
    .option('--project <id>', 'with --diff: compare this project only', projectId)
    .option('--from-source', 'with --diff: also if it is of another database')
    .action((id: string, options: ShowOptions) =>
      perform(async (context) => (await import('./show.js')).show(context, id, options)),
    );
}

const SNAPSHOTS_HELP = `
\`latest\` is, in every command, the newest trusted snapshot of the database that is configured here: complete, verified,
signed if a key is set, not dated in the future and not doubtful. \`newest\` is the newest of any kind.

Examples:
  soulcaster-backup snapshots accept 20261122T020000Z-x7k2m9 --reason "project p1 was deleted on purpose"
  soulcaster-backup snapshots adopt 1a2b3c4d --reason "the database moved to another region"
  soulcaster-backup snapshots adopt --unsigned      after a signing key was set for the first time`;

function addSnapshotGroup(program: Command, perform: Perform): void {
  const group = program
    .command('snapshots')
    .description('list and show snapshots, and say which of them can be relied on')
    .addHelpText('after', SNAPSHOTS_HELP);
  addSnapshotViews(group, perform);
  group
    .command('accept')
    .description('count a doubtful snapshot as trusted; ends the state of an unfinished restore that it shows')
    .argument('<id>', 'id of the snapshot')
    .requiredOption('--reason <text>', 'why it is as it should be; kept with it')
    .option(...REPLICA)
    .action((id: string, options: AcceptOptions) =>
      perform(async (context) => (await import('./snapshots/accept.js')).accept(context, id, options)),
    );
  group
    .command('adopt')
    .description('count the snapshots of a database that moved to a new host, or from before a signing key, as its own')
    .argument('[source]', 'the source that the database was: its first 8 digits or its label, as `list` shows them')
    .option('--unsigned', 'verify every snapshot that is not signed in full, and count it as signed')
    .option('--withdraw', 'take the adoption of a source back')
    .option('--reason <text>', 'why; kept with it')
    .option(...REPLICA)
    .action((source: string | undefined, options: AdoptOptions) =>
      perform(async (context) => (await import('./snapshots/accept.js')).adopt(context, source, options)),
    );
}

function addRestore(program: Command, perform: Perform): void {
  program
    .command('restore')
    .description('bring a snapshot back, all of it or one project, and prove every key')
    .argument('[snapshot]', 'id of a snapshot, `latest` (the default: the newest trusted one) or `newest`')
    .option('--at <time>', 'instead of an id: the newest trusted one finished by this time', time)
    .option('--project <id>', 'this project only; without it everything', projectId)
    .option('--everything', 'of a snapshot that undoes the restore of one project: everything in it')
    .addOption(
      new Option('--mode <mode>', 'replace: end up as the snapshot; merge: delete nothing; missing: only absent keys')
        .choices(MODES)
        .default('replace'),
    )
    .addOption(
      new Option(
        '--ttl <rule>',
        'expiry of keys and fields: as it was, with the time they had left then, or none: what is over comes back',
      )
        .choices(EXPIRY_RULES)
        .default('keep'),
    )
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--target <name>', 'into the database of RESTORE_TARGET_<NAME>_REST_URL and _TOKEN instead')
    .option('--from-source', 'restore a snapshot of another database: say so where that is meant')
    .option('--no-safety', 'do not save first what is there now: then there is no way back')
    .option('--no-lock', 'write nothing into the store, which may be full or read-only; takes --no-safety')
    .option('--no-reindex', 'do not make the vectors of what was restored anew')
    .option('--no-settle', 'leave jobs as they were, even those that were running')
    .option('--allow-incomplete', 'take a snapshot that lacks keys which it could hold, with --mode merge or missing')
    .option(...REPLICA)
    .option(...LOCAL)
    .option('--yes', 'do not ask')
    .addHelpText('after', RESTORE_EXAMPLES)
    .action((snapshot: string | undefined, options: RestoreOptions) =>
      perform(async (context) => (await import('./restore.js')).restore(context, snapshot, options)),
    );
}

function addMachineCommands(program: Command, perform: Perform): void {
  program
    .command('drill')
    .description('restore the newest verified snapshot into the scratch database, prove it, and wipe it again')
    .option(...LOCAL)
    .action((options: { local?: boolean }) =>
      perform(async (context) => (await import('./drill.js')).drill(context, options)),
    );
  program
    .command('doctor')
    .description('try every configured service for real, and say what is wrong and what to do')
    .option('--offline', "leave the providers' status pages out")
    .action((options: { offline?: boolean }) =>
      perform(async (context) => (await import('./doctor.js')).doctor(context, options)),
    );
  program
    .command('dev')
    .description('run everything on this machine until Ctrl-C: Redis, store, queue and functions')
    .option('--s3', "Ceph's S3 gateway as object store, instead of a folder")
    .option('--port <p>', 'port of the functions', portNumber)
    .option('--projects <n>', 'generate so many projects, if the database is empty', wholeNumber)
    .option('--items <n>', 'feedback items of each generated project', wholeNumber, 500)
    .action((options: { s3?: boolean; port?: number; projects?: number; items: number }) =>
      perform(async (context) => (await import('./dev.js')).dev(context, options)),
    );
  program
    .command('demo', { hidden: true })
    .description('a nightly backup from beginning to end, on a stack of its own')
    .action(() => perform(async (context) => (await import('./demo.js')).demo(context)));
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It takes a whole number from 1 on.');
}

function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('It takes a port number, 1 to 65535.');
}
