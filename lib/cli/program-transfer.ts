import { InvalidArgumentError, Option, type Command } from 'commander';
import { EXPORT_FORMATS, TTL_UNITS } from '../transfer/formats.js';
import { parseTime } from './arguments.js';
import type { ExportOptions } from './export.js';
import type { ImportOptions } from './import.js';
import { withSelection } from './program-inspect.js';
import type { Perform } from './context.js';

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
    .action((snapshot: string, file: string, options: ExportOptions) =>
      perform(async (context) => (await import('./export.js')).exportFile(context, snapshot, file, options)),
    );
  const command = program
    .command('import')
    .description('import a file as a snapshot, which is checked, never `latest`, and restored by its id')
    .argument('<file>', 'path of the file')
    .option('--replica', 'import into the second store, BACKUP_REPLICA_STORE')
    .addHelpText('after', IMPORT_EXAMPLES);
  withFileOptions(command).action((file: string, options: ImportOptions) =>
    perform(async (context) => (await import('./import.js')).importFile(context, file, options)),
  );
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
    .option('--database <n>', 'with a file that contains several databases: the one to read', parseDatabaseNumber);
}

function parseDatabaseNumber(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give the number of a database, 0 or more.');
}
