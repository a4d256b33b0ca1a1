import { InvalidArgumentError, Option, type Command } from 'commander';
import { EXPORT_FORMATS, TTL_UNITS } from '../transfer/formats.js';
import { time } from './arguments.js';
import type { ExportOptions } from './export.js';
import type { ImportOptions } from './import.js';
import { withSelection } from './program-inspect.js';
import type { Perform } from './context.js';

const EXPORT_EXAMPLES = `
Formats: jsonl, the lines of docs/format.md, which \`restore FILE\` and \`import\` read; resp, for \`redis-cli --pipe\`; upstash, a body
for POST /pipeline of Upstash's REST API on each line. A name that ends in .gz is compressed, one that ends in .age encrypted to
BACKUP_AGE_RECIPIENTS. Exit code 3: the snapshot lacks keys, and so does the file.

Examples:
  soulcaster-backup export latest dump.jsonl.gz
  soulcaster-backup export latest p1.jsonl --project p1
  soulcaster-backup export latest - --format resp | redis-cli --tls -u rediss://... --pipe
  soulcaster-backup export latest dump.upstash --format upstash`;

const IMPORT_EXAMPLES = `
Read are: exports and parts of snapshots of this program (.jsonl, also with .gz and .age), RDB files of version 9 and later,
the JSON of redis-dump and RIOT, and the commands of upstash-redis-dump and redis-dump-go. docs/format.md says of each what is
read and what is refused. Nothing is written before all of the file was checked.

Examples:
  soulcaster-backup import dump.rdb
  soulcaster-backup import dump.json --taken-at 2026-11-21T02:00:00Z     times that are left count from then, not from now
  soulcaster-backup restore dump.rdb --from-source --dry-run             without importing it`;

/** `export` and `import`. */
export function addTransferCommands(program: Command, perform: Perform): void {
  const exporting = program
    .command('export')
    .description('write a snapshot, or what is selected of it, into one file')
    .argument('[snapshot]', 'id of a snapshot or the beginning of one, `latest` or `newest`', 'latest')
    .argument('[file]', 'path of the file; `-`: the standard output', '-');
  withSelection(exporting)
    .addOption(new Option('--format <format>', 'see below').choices(EXPORT_FORMATS).default('jsonl'))
    .option('--force', 'replace a file that is there')
    .addHelpText('after', EXPORT_EXAMPLES)
    .action((snapshot: string, file: string, options: ExportOptions) =>
      perform(async (context) => (await import('./export.js')).exportFile(context, snapshot, file, options)),
    );
  const command = program
    .command('import')
    .description('make a snapshot of a file, checked and never `latest`, that is restored by its id')
    .argument('<file>', 'path of the file')
    .option('--replica', 'into the second store, BACKUP_REPLICA_STORE')
    .addHelpText('after', IMPORT_EXAMPLES);
  fileOptions(command).action((file: string, options: ImportOptions) =>
    perform(async (context) => (await import('./import.js')).importFile(context, file, options)),
  );
}

/** Options that say how a file is read. */
export function fileOptions(command: Command): Command {
  return command
    .option(
      '--taken-at <time>',
      'of a file: when it was made, which times that are left count from (default: now)',
      time,
    )
    .addOption(
      new Option('--ttl-unit <unit>', 'of a file of JSON: what the numbers in `ttl` are (default: seconds)').choices(
        TTL_UNITS,
      ),
    )
    .option('--database <n>', 'of a file with keys of several databases: the one that is meant', databaseNumber);
}

function databaseNumber(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It takes the number of a database, from 0 on.');
}
