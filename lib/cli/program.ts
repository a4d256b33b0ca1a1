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
import { addTransferCommands, withFileOptions } from './program-transfer.js';
import { addUpstashCommands } from './program-upstash.js';
import { parseProjectId, collectValues, parseTime } from './arguments.js';
import type { AcceptOptions, AdoptOptions, ForgetOptions, PinOptions, UnpinOptions } from './snapshots.js';
import { SHELLS, type Shell } from './shell/scripts.js';
import type { RestoreOptions } from './restore/request.js';

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

const RESTORE_EXAMPLES = `
Before anything is written, every part is checked and the present state is saved as a separate snapshot, with which the
restore can be undone. Afterwards every key is compared with the snapshot.

Examples:
  soulcaster-backup restore --project p1 --dry-run             show what would change in one project
  soulcaster-backup restore --project p1                       one project, from the newest trusted snapshot
  soulcaster-backup restore --match 'config:*' --project p1    keys that match both options
  soulcaster-backup restore --item p1/8f14e45f                 one deleted item, also into the lists it was in
  soulcaster-backup restore --at 2026-11-21T02:00:00Z          everything, from the newest snapshot at or before this time
  soulcaster-backup restore 20261122T020000Z-x7k2m9 --mode missing    only keys that are missing in the database
  soulcaster-backup restore 20261122T093000Z-k2m9x7            undo a restore, with the command from its report
  soulcaster-backup restore latest --yes --json                without a terminal
  soulcaster-backup restore dump.rdb --from-source --dry-run   show what a file would change: export, part, dump or RDB file
  soulcaster-backup restore latest --no-lock --no-safety       from a full or read-only store; cannot be undone`;

const REPLICA = ['--replica', 'use the second store, BACKUP_REPLICA_STORE; all work is done in this process'] as const;

const LOCAL = ['--local', 'do all work in this process, without the queue (the default without QSTASH_TOKEN)'] as const;

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
    .description('read a snapshot back and check all of it, and the chain; works on a read-only store')
    .argument('[id]', 'id of a snapshot, `latest` or `newest`', 'latest')
    .option(...REPLICA)
    .option(...LOCAL)
    .action((id: string, options: { local?: boolean; replica?: boolean }) =>
      perform(async (context) => (await import('./verify.js')).verify(context, id, options)),
    );
}

/** `list` and `show`, at the top level and in the group `snapshots`. */
function addSnapshotViews(parent: Command, perform: Perform): void {
  parent
    .command('list')
    .description('list the snapshots, newest first, with state and reasons')
    .option('--limit <n>', 'list at most this many', parsePositiveNumber, 20)
    .option(...REPLICA)
    .action((options: { limit: number; replica?: boolean }) =>
      perform(async (context) => (await import('./list.js')).listSnapshots(context, options)),
    );
  parent
    .command('show')
    .description('show a snapshot: counts, ledger, parts, chain, cost')
    .argument('<id>', 'id of a snapshot, `latest` or `newest`')
    .action((id: string) => perform(async (context) => (await import('./show.js')).show(context, id)));
}

const SNAPSHOTS_HELP = `
In every command, \`latest\` is the newest trusted snapshot of the database configured here: complete, verified, signed if a
key is set, not dated in the future, and not doubtful. \`newest\` is the newest snapshot of any kind.

Examples:
  soulcaster-backup snapshots accept 20261122T020000Z-x7k2m9 --reason "project p1 was deleted on purpose"
  soulcaster-backup snapshots adopt 1a2b3c4d --reason "the database moved to another region"
  soulcaster-backup snapshots pin latest --reason "before the migration"
  soulcaster-backup snapshots adopt --unsigned      after setting a signing key for the first time`;

function addSnapshotGroup(program: Command, perform: Perform): void {
  const group = program
    .command('snapshots')
    .description('list, show, accept, adopt, pin and forget snapshots')
    .addHelpText('after', SNAPSHOTS_HELP);
  addSnapshotViews(group, perform);
  addPins(group, perform);
  group
    .command('accept')
    .description('trust a doubtful snapshot; clears the marks of unfinished restores that made it doubtful')
    .argument('<id>', 'id of the snapshot')
    .requiredOption('--reason <text>', 'why it can be trusted; stored with the snapshot')
    .option(...REPLICA)
    .action((id: string, options: AcceptOptions) =>
      perform(async (context) => (await import('./snapshots.js')).accept(context, id, options)),
    );
  group
    .command('adopt')
    .description('adopt snapshots of a database that moved to a new host, or from before a signing key was set')
    .argument('[source]', 'the former source of the database: its first 8 digits or its label, as `list` shows them')
    .option('--unsigned', 'fully verify every unsigned snapshot, and count it as signed')
    .option('--withdraw', 'withdraw the adoption of a source')
    .option('--reason <text>', 'why; stored with the adoption')
    .option(...REPLICA)
    .action((source: string | undefined, options: AdoptOptions) =>
      perform(async (context) => (await import('./snapshots.js')).adopt(context, source, options)),
    );
}

function addPins(group: Command, perform: Perform): void {
  group
    .command('pin')
    .description('keep a snapshot regardless of the retention policy')
    .argument('<id>', 'id of the snapshot or its beginning, or `latest`')
    .requiredOption('--reason <text>', 'why; stored with the pin')
    .option('--replica', 'in the second store, BACKUP_REPLICA_STORE')
    .action((id: string, options: PinOptions) =>
      perform(async (context) => (await import('./snapshots.js')).pin(context, id, options)),
    );
  group
    .command('unpin')
    .description('apply the retention policy to a snapshot again')
    .argument('<id>', 'id of the snapshot or its beginning, or `latest`')
    .option('--replica', 'in the second store, BACKUP_REPLICA_STORE')
    .action((id: string, options: UnpinOptions) =>
      perform(async (context) => (await import('./snapshots.js')).unpin(context, id, options)),
    );
  group
    .command('forget')
    .description('remove one snapshot now; a signed tombstone explains the gap')
    .argument('<id>', 'whole id of the snapshot')
    .requiredOption('--reason <text>', 'why; stored in the tombstone')
    .option('--force', 'even if it is the last trusted snapshot, or of another database')
    .option('--replica', 'remove it from the second store, BACKUP_REPLICA_STORE')
    .action((id: string, options: ForgetOptions) =>
      perform(async (context) => (await import('./snapshots.js')).forget(context, id, options)),
    );
}

function addRestore(program: Command, perform: Perform): void {
  const command = program
    .command('restore')
    .description('restore a snapshot, all of it or selected keys, and compare every key afterwards')
    .argument('[snapshot]', 'id of a snapshot, `latest` (the default: the newest trusted one), `newest`, or a file')
    .option('--at <time>', 'instead of an id: the newest trusted snapshot finished by this time', parseTime)
    .option(
      '--project <id>',
      'only this project, including its jobs; without any selection, everything; can be repeated',
      collectValues(parseProjectId),
    )
    .option('--family <name>', 'only keys of this family, as `show` names them; can be repeated', collectValues())
    .option('--match <glob>', 'only keys that match this Redis pattern; quote it; can be repeated', collectValues())
    .option('--key <key>', 'only this key, or `base64:` and its bytes; can be repeated', collectValues())
    .option(
      '--item <project/id>',
      'only this feedback item, with its place in every list; can be repeated',
      collectValues(),
    )
    .option('--everything', 'with a snapshot that undoes a partial restore: everything in it, not only that part')
    .addOption(
      new Option(
        '--mode <mode>',
        'replace: make equal to the snapshot; merge: delete nothing; missing: only absent keys',
      )
        .choices(MODES)
        .default('replace'),
    )
    .addOption(
      new Option(
        '--ttl <rule>',
        'expiry of keys and fields; keep: the original time; shift: the remaining time, from now; drop: none, so that expired keys come back',
      )
        .choices(EXPIRY_RULES)
        .default('keep'),
    )
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--target <name>', 'restore into the database of RESTORE_TARGET_<NAME>_REST_URL and _TOKEN')
    .option('--from-source', 'allow a snapshot of another database, or a file')
    .option('--no-safety', 'do not save the present state first: the restore cannot be undone')
    .option('--no-lock', 'write nothing to the store, for a full or read-only store; needs --no-safety')
    .option('--no-reindex', 'do not re-index what was restored')
    .option('--no-settle', 'restore running jobs as running, instead of failing them')
    .option('--allow-incomplete', 'allow a snapshot without some keys that it could hold, with --mode merge or missing')
    .option(...REPLICA)
    .option(...LOCAL)
    .option('--yes', 'do not ask')
    .addHelpText('after', RESTORE_EXAMPLES)
    .action((snapshot: string | undefined, options: RestoreOptions) =>
      perform(async (context) => (await import('./restore.js')).restore(context, snapshot, options)),
    );
  withFileOptions(command);
}

function addLocalCommands(program: Command, perform: Perform): void {
  program
    .command('drill')
    .description('restore the newest verified snapshot into the scratch database, verify it, and wipe the database')
    .option(...LOCAL)
    .action((options: { local?: boolean }) =>
      perform(async (context) => (await import('./drill.js')).drill(context, options)),
    );
  program
    .command('doctor')
    .description('check every configured service, and report what is wrong and what to do')
    .addOption(new Option('--offline', "do not read the providers' status pages").conflicts('deployment'))
    .option('--deployment [url]', 'instead: check a deployment from outside (default: the one at PUBLIC_URL)')
    .action((options: { offline?: boolean; deployment?: string | true }) =>
      perform(async (context) => (await import('./doctor.js')).doctor(context, options)),
    );
  program
    .command('dev')
    .description('run everything on this machine until Ctrl-C: Redis, store, queue and functions')
    .option('--s3', "use Ceph's S3 gateway as object store, instead of a folder")
    .option('--port <p>', 'port of the functions', parsePort)
    .option('--projects <n>', 'generate this many projects if the database is empty', parsePositiveNumber)
    .option('--items <n>', 'feedback items of each generated project', parsePositiveNumber, 500)
    .option('--incident <name>', 'cause an incident, to practise the runbook; `list` shows the incidents')
    .option('--mend', 'end the parts of the last incident that an operator cannot, and show the status')
    .action((options: DevOptions) => perform(async (context) => (await import('./dev.js')).dev(context, options)));
  program
    .command('demo', { hidden: true })
    .description('a nightly backup from beginning to end, on a separate stack')
    .action(() => perform(async (context) => (await import('./demo.js')).demo(context)));
}

/** The commands that print completion and manual, generated from this program's own commands. */
function addShellCommands(program: Command, perform: Perform): void {
  program
    .command('completion')
    .description('print a shell script that completes commands and options')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
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

function parsePositiveNumber(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number, 1 or more.');
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('Give a port number, 1 to 65535.');
}
