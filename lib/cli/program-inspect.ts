import { InvalidArgumentError, type Command } from 'commander';
import { projectId, several, time } from './arguments.js';
import type { CatOptions } from './inspect/cat.js';
import type { DiffOptions } from './inspect/diff.js';
import type { FindOptions } from './inspect/find.js';
import type { LsOptions } from './inspect/ls.js';
import type { Perform } from './context.js';

const WHICH = 'id of a snapshot or the beginning of one, `latest` or `newest`';
const REPLICA = ['--replica', 'of the second store, BACKUP_REPLICA_STORE'] as const;
const AT = ['--at <time>', 'with `latest`: what was `latest` at this time', time] as const;

const FIND_HELP = `
Examples:
  soulcaster-backup find "login fails"                     items, clusters, logs that hold the text, in the latest snapshot
  soulcaster-backup find 3f9c --all                        an item by its id in every snapshot, and since when it is gone
  soulcaster-backup find --key 'cluster:*:items' --project p1 --in 20261122T020000Z-x7k2m9
  soulcaster-backup cat latest feedback:p1:3f9c            one key; --field body for one of its fields
  soulcaster-backup diff latest live --project p1 --keys   what has changed in a project since

Exit code 10 when nothing is found.`;

/** Commands that look into snapshots and change nothing. */
export function addInspectCommands(program: Command, perform: Perform): void {
  withSelection(
    program.command('ls').description('list the keys of a snapshot, one a line').argument('<snapshot>', WHICH),
  )
    .option('-l, --long', 'with type, elements, size, expiry, family and project')
    .action((id: string, options: LsOptions) =>
      perform(async (context) => (await import('./inspect/ls.js')).ls(context, id, options)),
    );
  addFind(program, perform);
  program
    .command('cat')
    .description('show one key as a snapshot has it')
    .argument('<snapshot>', WHICH)
    .argument('<key>', 'the whole key; one that is no text as `base64:...`')
    .option('--field <name>', 'this field of a hash alone')
    .option('--raw', 'the bytes of a string, a document or a field, as they are')
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
    .option('--keys', 'name every key that differs')
    .option('--values', 'and its fields, members or items')
    .action((a: string, b: string, options: DiffOptions) =>
      perform(async (context) => (await import('./inspect/diff.js')).diff(context, a, b, options)),
    );
}

function addFind(program: Command, perform: Perform): void {
  program
    .command('find')
    .description(
      'find keys by a text in them (an id, a title, a name) or by a pattern; with --all since when they are gone',
    )
    .argument('[text]', 'in the name of the key or in its value, in whatever case')
    .option('--key <glob>', "a key, or a pattern such as 'feedback:*'")
    .option('--in <snapshot>', `${WHICH} (default: latest)`)
    .option('--all', 'in every snapshot of this database')
    .option('--project <id>', 'in this project; may be given more than once', several(projectId))
    .option('--family <name>', 'in this family of keys; may be given more than once', several())
    .option('--limit <n>', 'name at most this many keys', limit, 100)
    .option(...AT)
    .option(...REPLICA)
    .addHelpText('after', FIND_HELP)
    .action((text: string | undefined, options: FindOptions) =>
      perform(async (context) => (await import('./inspect/find.js')).find(context, text, options)),
    );
}

/** The options that select keys of a snapshot, and which store it is in. */
export function withSelection(command: Command): Command {
  return command
    .option('--project <id>', 'what belongs to this project; may be given more than once', several(projectId))
    .option('--family <name>', 'keys of this family, such as feedback or job; may be given more than once', several())
    .option('--match <glob>', "keys that fit a pattern such as 'feedback:*'; may be given more than once", several())
    .option('--key <key>', 'this key; may be given more than once', several())
    .option(...AT)
    .option(...REPLICA);
}

function limit(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It takes a whole number from 1 to 99999.');
}
