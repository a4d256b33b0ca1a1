import type { Command } from 'commander';
import { lazy, type Perform } from './context.js';
import { LOCAL, parseNumber, REPLICA, collectValues, parseTime, parseCount } from './arguments.js';
import { parseProjectId } from '../soulcaster/selection.js';

/** The commands that take, list, verify and keep snapshots. */
export function addSnapshotCommands(program: Command, perform: Perform): void {
  program
    .command('backup')
    .description('take a snapshot of the database, read it back and finalize it')
    .option(...LOCAL)
    .action(lazy(perform, () => import('./backup.js'), 'backup'));
  addSnapshotViews(program, perform);
  addSnapshotGroup(program, perform);
  program
    .command('verify')
    .description('read a snapshot back and check all of it, and the chain; works on a read-only store')
    .argument('[id]', 'id of a snapshot, `latest` or `newest`', 'latest')
    .option(...REPLICA)
    .option(...LOCAL)
    .action(lazy(perform, () => import('./backup.js'), 'verify'));
}

/** `list` and `show`, at the top level and in the group `snapshots`. */
function addSnapshotViews(parent: Command, perform: Perform): void {
  parent
    .command('list')
    .description('list the snapshots, newest first, with state and reasons')
    .option('--limit <n>', 'list at most this many', parseCount, 20)
    .option(...REPLICA)
    .action(lazy(perform, () => import('./list.js'), 'listSnapshots'));
  parent
    .command('show')
    .description('show a snapshot: counts, ledger, parts, chain, cost')
    .argument('<id>', 'id of a snapshot, `latest` or `newest`')
    .action(lazy(perform, () => import('./show.js'), 'show'));
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
    .action(lazy(perform, () => import('./snapshots.js'), 'accept'));
  group
    .command('adopt')
    .description('adopt snapshots of a database that moved to a new host, or from before a signing key was set')
    .argument('[source]', 'the former source of the database: its first 8 digits or its label, as `list` shows them')
    .option('--unsigned', 'fully verify every unsigned snapshot, and count it as signed')
    .option('--withdraw', 'withdraw the adoption of a source')
    .option('--reason <text>', 'why; stored with the adoption')
    .option(...REPLICA)
    .action(lazy(perform, () => import('./snapshots.js'), 'adopt'));
}

function addPins(group: Command, perform: Perform): void {
  group
    .command('pin')
    .description('keep a snapshot regardless of the retention policy')
    .argument('<id>', 'id of the snapshot or its beginning, or `latest`')
    .requiredOption('--reason <text>', 'why; stored with the pin')
    .option('--replica', 'in the second store, BACKUP_REPLICA_STORE')
    .action(lazy(perform, () => import('./snapshots.js'), 'pin'));
  group
    .command('unpin')
    .description('apply the retention policy to a snapshot again')
    .argument('<id>', 'id of the snapshot or its beginning, or `latest`')
    .option('--replica', 'in the second store, BACKUP_REPLICA_STORE')
    .action(lazy(perform, () => import('./snapshots.js'), 'unpin'));
  group
    .command('forget')
    .description('remove one snapshot now; a signed tombstone explains the gap')
    .argument('<id>', 'whole id of the snapshot')
    .requiredOption('--reason <text>', 'why; stored in the tombstone')
    .option('--force', 'even if it is the last trusted snapshot, or of another database')
    .option('--replica', 'remove it from the second store, BACKUP_REPLICA_STORE')
    .action(lazy(perform, () => import('./snapshots.js'), 'forget'));
}

const WHICH = 'id of a snapshot or the beginning of one, `latest` or `newest`';
const READ_REPLICA = ['--replica', 'read the second store, BACKUP_REPLICA_STORE'] as const;
const AT = ['--at <time>', 'with `latest`: the snapshot that was `latest` at this time', parseTime] as const;

const FIND_HELP = `
Examples:
  soulcaster-backup find "login fails"                     items, clusters and logs with this text in the latest snapshot
  soulcaster-backup find 3f9c --all                        an item by id in every snapshot, and when it disappeared
  soulcaster-backup find --key 'cluster:*:items' --project p1 --in 20261122T020000Z-x7k2m9
  soulcaster-backup cat latest feedback:p1:3f9c            one key; --field body for one of its fields
  soulcaster-backup diff latest live --project p1 --keys   what has changed in a project since the snapshot

Exit code 10 when nothing is found.`;

/** The commands that read the contents of snapshots and change nothing. */
export function addInspectCommands(program: Command, perform: Perform): void {
  withSelection(
    program.command('ls').description('list the keys of a snapshot, one per line').argument('<snapshot>', WHICH),
  )
    .option('-l, --long', 'show type, elements, size, expiry, family and project')
    .action(lazy(perform, () => import('./inspect/read.js'), 'ls'));
  addFind(program, perform);
  program
    .command('cat')
    .description('show one key of a snapshot')
    .argument('<snapshot>', WHICH)
    .argument('<key>', 'the whole key; a binary key as `base64:...`')
    .option('--field <name>', 'show only this field of a hash')
    .option('--raw', 'print the unescaped bytes of a string, a document or a field')
    .option(...AT)
    .option(...READ_REPLICA)
    .action(lazy(perform, () => import('./inspect/read.js'), 'cat'));
  withSelection(
    program
      .command('diff')
      .description('compare a snapshot with another, or with the database: counts by project and family')
      .argument('<a>', WHICH)
      .argument('<b>', 'the same, or `live`: the database'),
  )
    .option('--keys', 'list every key that differs')
    .option('--values', 'list every key that differs, with its fields, members or items')
    .action(lazy(perform, () => import('./inspect/diff.js'), 'diff'));
}

function addFind(program: Command, perform: Perform): void {
  program
    .command('find')
    .description('find keys by text (an id, a title, a name) or by pattern; with --all, show when they disappeared')
    .argument('[text]', 'text in the name or value of a key; case is ignored')
    .option('--key <glob>', "a key, or a pattern such as 'feedback:*'")
    .option('--in <snapshot>', `${WHICH} (default: latest)`)
    .option('--all', 'search every snapshot of this database')
    .option('--project <id>', 'only in this project; can be repeated', collectValues(parseProjectId))
    .option('--family <name>', 'only in this family of keys; can be repeated', collectValues())
    .option(
      '--limit <n>',
      'list at most this many keys',
      parseNumber(1, 99_999, 'Give a whole number from 1 to 99999.'),
      100,
    )
    .option(...AT)
    .option(...READ_REPLICA)
    .addHelpText('after', FIND_HELP)
    .action(lazy(perform, () => import('./inspect/find.js'), 'find'));
}

/** Adds the options that select keys of a snapshot, and the store. */
export function withSelection(command: Command): Command {
  return command
    .option('--project <id>', 'keys of this project; can be repeated', collectValues(parseProjectId))
    .option('--family <name>', 'keys of this family, such as feedback or job; can be repeated', collectValues())
    .option('--match <glob>', "keys that match a pattern such as 'feedback:*'; can be repeated", collectValues())
    .option('--key <key>', 'this key; can be repeated', collectValues())
    .option(...AT)
    .option(...READ_REPLICA);
}
