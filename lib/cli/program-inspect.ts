import { InvalidArgumentError, type Command } from 'commander';
import { parseProjectId, collectValues, parseTime } from './arguments.js';
import type { CatOptions } from './inspect/cat.js';
import type { DiffOptions } from './inspect/diff.js';
import type { FindOptions } from './inspect/find.js';
import type { LsOptions } from './inspect/ls.js';
import type { Perform } from './context.js';

const WHICH = 'id of a snapshot or the beginning of one, `latest` or `newest`';
const REPLICA = ['--replica', 'read the second store, BACKUP_REPLICA_STORE'] as const;
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
    .action((id: string, options: LsOptions) =>
      perform(async (context) => (await import('./inspect/ls.js')).ls(context, id, options)),
    );
  addFind(program, perform);
  program
    .command('cat')
    .description('show one key of a snapshot')
    .argument('<snapshot>', WHICH)
    .argument('<key>', 'the whole key; a binary key as `base64:...`')
    .option('--field <name>', 'show only this field of a hash')
    .option('--raw', 'print the unescaped bytes of a string, a document or a field')
    .option(...AT)
    .option(...REPLICA)
    .action((id: string, key: string, options: CatOptions) =>
      perform(async (context) => (await import('./inspect/cat.js')).cat(context, id, key, options)),
    );
  withSelection(
    program
      .command('diff')
      .description('compare a snapshot with another, or with the database: counts by project and family')
      .argument('<a>', WHICH)
      .argument('<b>', 'the same, or `live`: the database'),
  )
    .option('--keys', 'list every key that differs')
    .option('--values', 'list every key that differs, with its fields, members or items')
    .action((a: string, b: string, options: DiffOptions) =>
      perform(async (context) => (await import('./inspect/diff.js')).diff(context, a, b, options)),
    );
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
    .option('--limit <n>', 'list at most this many keys', parseLimit, 100)
    .option(...AT)
    .option(...REPLICA)
    .addHelpText('after', FIND_HELP)
    .action((text: string | undefined, options: FindOptions) =>
      perform(async (context) => (await import('./inspect/find.js')).find(context, text, options)),
    );
}

/** Adds the options that select keys of a snapshot, and the store. */
export function withSelection(command: Command): Command {
  return command
    .option('--project <id>', 'keys of this project; can be repeated', collectValues(parseProjectId))
    .option('--family <name>', 'keys of this family, such as feedback or job; can be repeated', collectValues())
    .option('--match <glob>', "keys that match a pattern such as 'feedback:*'; can be repeated", collectValues())
    .option('--key <key>', 'this key; can be repeated', collectValues())
    .option(...AT)
    .option(...REPLICA);
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number from 1 to 99999.');
}
