import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { EXPIRY_RULES, MODES } from '../restore/model.js';
import { VERSION } from '../version.js';
import type { DevOptions } from './dev.js';
import type { Perform } from './context.js';
import { addGuardCommands } from './program-guard.js';
import { addSetupCommands } from './program-setup.js';
import { addAccountCommands } from './program-accounts.js';
import { addErasureCommands } from './program-erasure.js';
import { addInspectCommands } from './program-inspect.js';
import { addIndexCommands } from './program-index.js';
import { addTransferCommands, fileOptions } from './program-transfer.js';
import { addUpstashCommands } from './program-upstash.js';
import { projectId, several, time } from './arguments.js';
import type { AcceptOptions, AdoptOptions, ForgetOptions, PinOptions, UnpinOptions } from './snapshots.js';
import { SHELLS, type Shell } from './shell/scripts.js';
import type { RestoreOptions } from './restore/request.js';

const EXIT_CODES = `0 done, 1 failed, 2 usage or configuration, 3 incomplete or doubtful, 10 not found, 11 locked, 12 wrong key,
130 interrupted (SIGINT, SIGTERM, SIGHUP) or cancelled.`;

const EXAMPLES = `
Examples:
  soulcaster-backup doctor                      see whether everything is set up as it should be
  soulcaster-backup backup                      take a snapshot now
  soulcaster-backup snapshots list              see which snapshots there are, and what they are worth
  soulcaster-backup status                      are the objectives met? what is open?
  soulcaster-backup verify latest               read the newest snapshot back and check it
  soulcaster-backup diff latest live            see what has changed since the newest snapshot
  soulcaster-backup find "login fails" --all    which snapshots hold it, and since when it is gone
  soulcaster-backup restore --dry-run           see what a restore would do; without --dry-run it asks first
  soulcaster-backup reindex --project p1 --watch    rebuild the vectors of one project from Redis
  soulcaster-backup list --json | jq '.snapshots[0].id'
  soulcaster-backup --env-file .local/env backup --local

Exit codes: ${EXIT_CODES} The configuration is in environment variables; .env.example explains each.`;

const RESTORE_EXAMPLES = `
Before anything is written every part is checked and what is there is saved as a separate snapshot, with which the
restore can be undone; after it every key is compared.

Examples:
  soulcaster-backup restore --project p1 --dry-run             what would become of one project
  soulcaster-backup restore --project p1                       that project as the newest verified snapshot has it
  soulcaster-backup restore --match 'config:*' --project p1    keys that fit every kind of option that is given
  soulcaster-backup restore --item p1/8f14e45f                 one item that was deleted, in every list it was in
  soulcaster-backup restore --at 2026-11-21T02:00:00Z          everything, from the newest snapshot of that time or before
  soulcaster-backup restore 20261122T020000Z-x7k2m9 --mode missing    only keys that are gone
  soulcaster-backup restore 20261122T093000Z-k2m9x7            undo a restore; the report of each gives the very command
  soulcaster-backup restore latest --yes --json                without a terminal
  soulcaster-backup restore dump.rdb --from-source --dry-run   what a file would do: an export, a part, a dump, an RDB file
  soulcaster-backup restore latest --no-lock --no-safety       from a store that is full or read-only: no way back`;

const REPLICA = [
  '--replica',
  'of the second store, BACKUP_REPLICA_STORE; all work is then done in this process',
] as const;

const LOCAL = ['--local', 'do all work in this process, without the queue (the default without QSTASH_TOKEN)'] as const;

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
  addInspectCommands(program, perform);
  addRestore(program, perform);
  addTransferCommands(program, perform);
  addErasureCommands(program, perform);
  addIndexCommands(program, perform);
  addGuardCommands(program, perform);
  addUpstashCommands(program, perform);
  addAccountCommands(program, perform);
  addSetupCommands(program, perform);
  addMachineCommands(program, perform);
  addShellCommands(program, perform);
  return program;
}

function addSnapshotCommands(program: Command, perform: Perform): void {
  program
    .command('backup')
    .description('take a snapshot of the database, read it back and finalize it')
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
    .description('list the snapshots, newest first, with the state of each and the reason')
    .option('--limit <n>', 'list at most this many', wholeNumber, 20)
    .option(...REPLICA)
    .action((options: { limit: number; replica?: boolean }) =>
      perform(async (context) => (await import('./list.js')).list(context, options)),
    );
  parent
    .command('show')
    .description('show what is in a snapshot: counts, ledger, parts, chain, cost')
    .argument('<id>', 'id of a snapshot, `latest` or `newest`')
    .action((id: string) => perform(async (context) => (await import('./show.js')).show(context, id)));
}

const SNAPSHOTS_HELP = `
\`latest\` is, in every command, the newest trusted snapshot of the database that is configured here: complete, verified,
signed if a key is set, not dated in the future and not doubtful. \`newest\` is the newest of any kind.

Examples:
  soulcaster-backup snapshots accept 20261122T020000Z-x7k2m9 --reason "project p1 was deleted on purpose"
  soulcaster-backup snapshots adopt 1a2b3c4d --reason "the database moved to another region"
  soulcaster-backup snapshots pin latest --reason "before the migration"
  soulcaster-backup snapshots adopt --unsigned      after a signing key was set for the first time`;

function addSnapshotGroup(program: Command, perform: Perform): void {
  const group = program
    .command('snapshots')
    .description('list, show, accept, adopt, pin and forget snapshots')
    .addHelpText('after', SNAPSHOTS_HELP);
  addSnapshotViews(group, perform);
  addPins(group, perform);
  group
    .command('accept')
    .description('trust a doubtful snapshot; ends the marks of unfinished restores that made it doubtful')
    .argument('<id>', 'id of the snapshot')
    .requiredOption('--reason <text>', 'why it is as it should be; kept with it')
    .option(...REPLICA)
    .action((id: string, options: AcceptOptions) =>
      perform(async (context) => (await import('./snapshots.js')).accept(context, id, options)),
    );
  group
    .command('adopt')
    .description('adopt the snapshots of a database that moved to a new host, or from before a signing key')
    .argument('[source]', 'the source that the database was: its first 8 digits or its label, as `list` shows them')
    .option('--unsigned', 'verify every snapshot that is not signed in full, and count it as signed')
    .option('--withdraw', 'withdraw the adoption of a source')
    .option('--reason <text>', 'why; kept with it')
    .option(...REPLICA)
    .action((source: string | undefined, options: AdoptOptions) =>
      perform(async (context) => (await import('./snapshots.js')).adopt(context, source, options)),
    );
}

function addPins(group: Command, perform: Perform): void {
  group
    .command('pin')
    .description('keep a snapshot whatever the retention policy says')
    .argument('<id>', 'id of the snapshot or the beginning of one, or `latest`')
    .requiredOption('--reason <text>', 'why; kept with it')
    .option('--replica', 'in the second store, BACKUP_REPLICA_STORE')
    .action((id: string, options: PinOptions) =>
      perform(async (context) => (await import('./snapshots.js')).pin(context, id, options)),
    );
  group
    .command('unpin')
    .description('let the retention policy decide over a snapshot again')
    .argument('<id>', 'id of the snapshot or the beginning of one, or `latest`')
    .option('--replica', 'in the second store, BACKUP_REPLICA_STORE')
    .action((id: string, options: UnpinOptions) =>
      perform(async (context) => (await import('./snapshots.js')).unpin(context, id, options)),
    );
  group
    .command('forget')
    .description('remove one snapshot now; a signed tombstone explains the gap')
    .argument('<id>', 'whole id of the snapshot')
    .requiredOption('--reason <text>', 'why; kept')
    .option('--force', 'even if it is the last trusted one, or of another database')
    .option('--replica', 'of the second store, BACKUP_REPLICA_STORE')
    .action((id: string, options: ForgetOptions) =>
      perform(async (context) => (await import('./snapshots.js')).forget(context, id, options)),
    );
}

function addRestore(program: Command, perform: Perform): void {
  const command = program
    .command('restore')
    .description('restore a snapshot, all of it or selected keys, and prove every key')
    .argument('[snapshot]', 'id of a snapshot, `latest` (the default: the newest trusted one), `newest`, or a file')
    .option('--at <time>', 'instead of an id: the newest trusted one finished by this time', time)
    .option(
      '--project <id>',
      'this project only, its jobs included; without any of these everything',
      several(projectId),
    )
    .option('--family <name>', 'keys of this family only, as `show` names them', several())
    .option('--match <glob>', 'keys that match only, as Redis matches them; quote it', several())
    .option(
      '--key <key>',
      'this key only, or `base64:` and its bytes; each of these may be given more than once',
      several(),
    )
    .option('--item <project/id>', 'this item of feedback, with its place in every list, and nothing else', several())
    .option('--everything', 'of a snapshot that undoes the restore of a project or of some keys: everything in it')
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
    .option('--from-source', 'restore a snapshot of another database, or a file')
    .option('--no-safety', 'do not save the present state first: then there is no way back')
    .option('--no-lock', 'write nothing into the store, which may be full or read-only; takes --no-safety')
    .option('--no-reindex', 'do not re-index what was restored')
    .option('--no-settle', 'leave jobs as they were, even those that were running')
    .option('--allow-incomplete', 'take a snapshot that lacks keys which it could hold, with --mode merge or missing')
    .option(...REPLICA)
    .option(...LOCAL)
    .option('--yes', 'do not ask')
    .addHelpText('after', RESTORE_EXAMPLES)
    .action((snapshot: string | undefined, options: RestoreOptions) =>
      perform(async (context) => (await import('./restore.js')).restore(context, snapshot, options)),
    );
  fileOptions(command);
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
    .description('try every configured service, and say what is wrong and what to do')
    .addOption(new Option('--offline', "leave the providers' status pages out").conflicts('deployment'))
    .option('--deployment [url]', 'instead: try a deployment from outside; without an address, the one at PUBLIC_URL')
    .action((options: { offline?: boolean; deployment?: string | true }) =>
      perform(async (context) => (await import('./doctor.js')).doctor(context, options)),
    );
  program
    .command('dev')
    .description('run everything on this machine until Ctrl-C: Redis, store, queue and functions')
    .option('--s3', "Ceph's S3 gateway as object store, instead of a folder")
    .option('--port <p>', 'port of the functions', portNumber)
    .option('--projects <n>', 'generate this many projects, if the database is empty', wholeNumber)
    .option('--items <n>', 'feedback items of each generated project', wholeNumber, 500)
    .option('--incident <name>', 'break something on purpose, to practise the runbook; `list` shows what')
    .option('--mend', 'end what the last incident left to others, such as an outage, and say how things are')
    .action((options: DevOptions) => perform(async (context) => (await import('./dev.js')).dev(context, options)));
  program
    .command('demo', { hidden: true })
    .description('a nightly backup from beginning to end, on a separate stack')
    .action(() => perform(async (context) => (await import('./demo.js')).demo(context)));
}

/** What is made of this very grammar. */
function addShellCommands(program: Command, perform: Perform): void {
  program
    .command('completion')
    .description('print a script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>', 'whose').choices(SHELLS))
    .action((shell: Shell) =>
      perform(async (context) => (await import('./shell/print.js')).printCompletion(context, program, shell)),
    );
  program
    .command('man')
    .description('print the manual as a page for `man -l`')
    .action(() =>
      perform(async (context) => (await import('./shell/print.js')).printManual(context, program, EXIT_CODES)),
    );
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
