import { Option, type Command, Argument } from 'commander';
import { EXPIRY_RULES, MODES } from '../restore/model.js';
import { lazy, type Perform } from './context.js';
import { collectValues, LOCAL, parseTime, REPLICA, parseNumber } from './arguments.js';
import { parseProjectId } from '../soulcaster/selection.js';
import { EXPORT_FORMATS, TTL_UNITS } from '../transfer/formats.js';
import { withSelection } from './program-snapshots.js';
import type { ForgetSubjectOptions } from './erasure.js';

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

/** `restore`. */
export function addRestore(program: Command, perform: Perform): void {
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
    .action(lazy(perform, () => import('./restore.js'), 'restore'));
  withFileOptions(command);
}

const EXPORT_EXAMPLES = `
Formats: jsonl, the lines of docs/format.md, which \`restore FILE\` and \`import\` read; resp, for \`redis-cli --pipe\`; upstash, one
body per line for POST /pipeline of Upstash's REST API. Files named .gz are compressed, files named .age are encrypted to
BACKUP_AGE_RECIPIENTS. Exit code 3: the snapshot is incomplete, and so is the file.

Examples:
  soulcaster-backup export latest dump.jsonl.gz
  soulcaster-backup export latest p1.jsonl --project p1
  soulcaster-backup export latest - --format resp | redis-cli --tls -u rediss://... --pipe
  soulcaster-backup export latest dump.upstash --format upstash`;

const IMPORT_EXAMPLES = `
Supported files: exports and snapshot parts of this program (.jsonl, also with .gz and .age), RDB files of version 9 and later,
JSON of redis-dump and RIOT, and commands of upstash-redis-dump and redis-dump-go. docs/format.md lists what is read and refused
for each. Nothing is written before the whole file was checked.

Examples:
  soulcaster-backup import dump.rdb
  soulcaster-backup import dump.json --taken-at 2026-11-21T02:00:00Z     remaining times count from then, not from now
  soulcaster-backup restore dump.rdb --from-source --dry-run             restore a file without importing it`;

/** `export` and `import`. */
export function addTransferCommands(program: Command, perform: Perform): void {
  const exporting = program
    .command('export')
    .description('write a snapshot, or selected keys, to one file')
    .argument('[snapshot]', 'id of a snapshot or the beginning of one, `latest` or `newest`', 'latest')
    .argument('[file]', 'path of the file, or `-` for the standard output', '-');
  withSelection(exporting)
    .addOption(new Option('--format <format>', 'see below').choices(EXPORT_FORMATS).default('jsonl'))
    .option('--force', 'replace an existing file')
    .addHelpText('after', EXPORT_EXAMPLES)
    .action(lazy(perform, () => import('./transfer.js'), 'exportFile'));
  const command = program
    .command('import')
    .description('import a file as a snapshot, which is checked, never `latest`, and restored by its id')
    .argument('<file>', 'path of the file')
    .option('--replica', 'import into the second store, BACKUP_REPLICA_STORE')
    .addHelpText('after', IMPORT_EXAMPLES);
  withFileOptions(command).action(lazy(perform, () => import('./transfer.js'), 'importFile'));
}

/** Adds the options for reading a file. */
export function withFileOptions(command: Command): Command {
  return command
    .option(
      '--taken-at <time>',
      'with a file: when it was made; remaining times of keys count from then (default: now)',
      parseTime,
    )
    .addOption(
      new Option('--ttl-unit <unit>', 'with a JSON file: what values of `ttl` mean (default: seconds)').choices(
        TTL_UNITS,
      ),
    )
    .option(
      '--database <n>',
      'with a file that contains several databases: the one to read',
      parseNumber(0, 99_999, 'Give the number of a database, 0 or more.'),
    );
}

const ERASURE_HELP = `
Shows which snapshots still hold the data, and until when retention keeps each. With --reason the user or project is also added
to the erasure list: from then on every restore, undo and drill leaves the data out and says so. Nothing is deleted, neither in
the database nor in a snapshot. docs/operations.md, "Erasure", says what the application deletes and what you have to do.

Data of a user: user:ID, user:projects:ID, and all data of the projects that are this user's alone, which the plan lists. Data
of a project: everything that \`restore --project\` restores, and its place in the lists of users.

Examples:
  soulcaster-backup forget-user cm1abc --dry-run
  soulcaster-backup forget-user cm1abc --reason "request of 26 November, ticket 118"
  soulcaster-backup forget-project p1 --reason "contract ended"
  soulcaster-backup erasures list
  soulcaster-backup erasures withdraw project p1 --reason "it was another project"`;

/** The commands of the erasure list. */
export function addErasureCommands(program: Command, perform: Perform): void {
  for (const kind of ['user', 'project'] as const) {
    program
      .command(`forget-${kind}`)
      .description(`show which snapshots hold data of a ${kind}; with --reason, exclude the data from every restore`)
      .argument('<id>', `whole id of the ${kind}`, kind === 'project' ? parseProjectId : undefined)
      .option('--reason <text>', 'why, at most 500 characters: adds an entry to the erasure list')
      .option('--dry-run', 'show what restores would leave out, and change nothing')
      .option('--replica', 'with --dry-run: search the second store, BACKUP_REPLICA_STORE')
      .addHelpText('after', ERASURE_HELP)
      .action((id: string, options: ForgetSubjectOptions) =>
        perform(async (context) => (await import('./erasure.js')).forgetSubject(context, { kind, id }, options)),
      );
  }
  const erasures = program.command('erasures').description('list or withdraw entries of the erasure list');
  erasures
    .command('list')
    .description('list the users and projects on the erasure list, with reasons')
    .action(lazy(perform, () => import('./erasure.js'), 'listErasures'));
  erasures
    .command('withdraw')
    .description('withdraw an entry: restores include the data again; the entry is kept, with the reason')
    .addArgument(new Argument('<kind>', 'what the entry names').choices(['user', 'project']))
    .argument('<id>', 'the whole id')
    .requiredOption('--reason <text>', 'why, at most 500 characters')
    .action((kind: 'user' | 'project', id: string, options: { readonly reason: string }) =>
      perform(async (context) => (await import('./erasure.js')).withdrawEntry(context, { kind, id }, options)),
    );
}
