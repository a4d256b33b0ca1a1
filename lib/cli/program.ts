import { Command, InvalidArgumentError } from 'commander';
import { VERSION } from '../version.js';
import type { Context } from './context.js';

/** Runs a command's work and keeps its exit code. */
export type Perform = (work: (context: Context) => Promise<number>) => Promise<void>;

const EXAMPLES = `
Examples:
  soulcaster-backup doctor                      see whether everything is set up as it should be
  soulcaster-backup backup                      take a snapshot now
  soulcaster-backup list                        see which snapshots there are
  soulcaster-backup verify latest               read the newest snapshot back and check it
  soulcaster-backup list --json | jq '.snapshots[0].id'
  soulcaster-backup --env-file .local/env backup --local

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 incomplete, 10 not found, 11 locked, 12 wrong key,
130 interrupted. The configuration is in environment variables; .env.example explains each.`;

const LOCAL = [
  '--local',
  'do all work in this process, without the queue (so it is when QSTASH_TOKEN is not set)',
] as const;

/** The grammar of the command line. What a command needs is loaded when it is called, so that help comes at once. */
export function buildProgram(perform: Perform): Command {
  const program = new Command('soulcaster-backup')
    .description("Nightly snapshots of Soulcaster's data in Upstash Redis, verified and kept in S3.")
    .version(VERSION)
    .option('--json', 'print one JSON document on the standard output, and nothing else')
    .option('--env-file <file>', 'read variables from this file, over those of the environment')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  addSnapshotCommands(program, perform);
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
  program
    .command('list')
    .description('list the snapshots, newest first')
    .option('--limit <n>', 'list at most so many', wholeNumber, 20)
    .action((options: { limit: number }) =>
      perform(async (context) => (await import('./list.js')).list(context, options)),
    );
  program
    .command('show')
    .description('show what is in a snapshot: counts, ledger, parts, chain, cost')
    .argument('<id>', 'id of a snapshot, or `latest` for the newest there is')
    .action((id: string) => perform(async (context) => (await import('./show.js')).show(context, id)));
  program
    .command('verify')
    .description('read a snapshot back from the store and check all of it, and the chain')
    .argument('[id]', 'id of a snapshot, or `latest` for the newest there is', 'latest')
    .option(...LOCAL)
    .action((id: string, options: { local?: boolean }) =>
      perform(async (context) => (await import('./verify.js')).verify(context, id, options)),
    );
}

function addMachineCommands(program: Command, perform: Perform): void {
  program
    .command('doctor')
    .description('try every configured service for real, and say what is wrong and what to do')
    .action(() => perform(async (context) => (await import('./doctor.js')).doctor(context)));
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
