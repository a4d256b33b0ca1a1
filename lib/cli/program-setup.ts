import { Argument, InvalidArgumentError, type Command } from 'commander';
import type { DeployOptions } from './deploy.js';
import type { InitOptions } from './init.js';
import type { StoreOptions } from './init/store.js';
import type { KeygenOptions, KeyKind } from './keygen.js';
import { AppError } from '../errors.js';
import type { GlobalOptions, Perform } from './context.js';
import type { RotateKeysOptions } from './rotate-keys.js';

const KEYGEN_EXAMPLES = `
Examples:
  soulcaster-backup keygen age --out age-identity.txt    write the identity to a file, and print the public key
  soulcaster-backup keygen signing >> .env               a line BACKUP_SIGNING_KEY=...
  soulcaster-backup keygen secrets >> .env               CRON_SECRET, ADMIN_TOKEN, RESTORE_WEBHOOK_SECRET`;

const INIT_EXAMPLES = `
On a terminal, init asks for values, checks each service immediately, and writes one file at the end. Run it again to add what
is missing. Secrets are not shown while you type; without a terminal they come from a file or from variables, never from an
argument.

Examples:
  soulcaster-backup init                                   ask for everything and write .env
  soulcaster-backup init --answers answers.json            {"UPSTASH_REDIS_REST_URL": "https://...", ...}; null omits one
  pass show soulcaster | soulcaster-backup init --answers -
  soulcaster-backup init --store --env-file .env           the bucket: versioning, no public access, policies in deploy/
  soulcaster-backup init --from-env --set BACKUP_LABEL=staging --file .env.staging`;

/** The commands that set a deployment up. */
export function addSetupCommands(program: Command, perform: Perform): void {
  program
    .command('init')
    .description('set everything up: ask for, fetch or generate values, check them, and write the variables to a file')
    .option('--file <file>', 'the file to create, or to change after confirmation', '.env')
    .option('--answers <file>', 'ask nothing: read a JSON file of variables, or - for the standard input')
    .option('--from-env', 'ask nothing: take the variables set in the environment')
    .option('--set <name=value...>', 'ask nothing: set a variable that is not a secret')
    .option('--identity-file <file>', 'where a new age identity is written', 'age-identity.txt')
    .option('--force', 'ask nothing, and change an existing file')
    .option('--despite-failures', 'write the file although a check failed')
    .option('--acl', 'instead: show how to create a read-only database user for snapshots, and test the token')
    .option('--store', 'instead: create or check the bucket of BACKUP_STORE, write its policies, and test them')
    .option('--versioning', 'with --store: turn versioning on (the default on AWS)')
    .option('--no-versioning', 'with --store: leave versioning as it is')
    .option('--object-lock <days>', 'with --store: lock objects against removal for this many days', parseDays)
    .option('--team-slug <name>', "with --store: the team's name in Vercel's URLs")
    .option('--out <folder>', 'with --store: where the policies are written', 'deploy')
    .addHelpText('after', INIT_EXAMPLES)
    .action((options: InitOptions & StoreOptions & { store?: boolean; acl?: boolean }, command: Command) =>
      perform(async (context) => {
        assertOneKind(command, options);
        if (options.acl === true) return (await import('./init/store.js')).initAcl(context);
        if (options.store === true) return (await import('./init/store.js')).initStore(context, options);
        return (await import('./init.js')).init(context, options);
      }),
    );
  program
    .command('deploy')
    .description(
      'set the variables of the Vercel project, build and check it, take the first snapshot, drill; can be repeated',
    )
    .option('--dry-run', 'show what would be set and built, and change nothing')
    .option('--yes', 'do not ask')
    .option('--rebuild', 'rebuild production although no variable has changed')
    .action((options: DeployOptions) =>
      perform(async (context) => (await import('./deploy.js')).deploy(context, options)),
    );
  program
    .command('rotate-keys')
    .description('replace keys in the env file; existing snapshots stay trusted and restorable')
    .option('--signing', 'a new BACKUP_SIGNING_KEY; the old public key stays accepted')
    .option('--recipients', 'a new age identity and recipient; the old identity stays in its file')
    .option('--secrets', 'new CRON_SECRET, ADMIN_TOKEN and RESTORE_WEBHOOK_SECRET')
    .option('--file <file>', 'the env file (default: the file of --env-file, else .env)')
    .option('--yes', 'do not ask')
    .action((options: Omit<RotateKeysOptions, 'file'> & { file?: string }, command: Command) => {
      // Without --file, the file of --env-file is changed, and no other.
      const { envFile = '.env' } = command.optsWithGlobals<GlobalOptions>();
      const file = options.file ?? envFile;
      return perform(async (context) => (await import('./rotate-keys.js')).rotateKeys(context, { ...options, file }));
    });
  program
    .command('keygen')
    .description('generate an age identity, a signing key, or the secrets of callers')
    .addArgument(new Argument('<kind>', 'what to generate').choices(['age', 'signing', 'secrets']))
    .option('--out <file>', 'write to this new file, with mode 0600, instead of printing')
    .addHelpText('after', KEYGEN_EXAMPLES)
    .action((kind: KeyKind, options: KeygenOptions) =>
      perform(async (context) => (await import('./keygen.js')).keygen(context, kind, options)),
    );
}

/** Throws `usage` for options of --store without --store, which would be ignored. */
function assertOneKind(command: Command, { acl, store }: { store?: boolean; acl?: boolean }): void {
  if (acl === true && store === true) throw optionConflictError('--acl and --store cannot be combined');
  const given = Object.entries({
    versioning: '--versioning',
    objectLock: '--object-lock',
    teamSlug: '--team-slug',
    out: '--out',
  }).find(([name]) => command.getOptionValueSource(name) === 'cli');
  if (store !== true && given !== undefined) throw optionConflictError(`${given[1]} can only be used with --store`);
}

function optionConflictError(message: string): AppError {
  return new AppError('usage', message, { hint: 'See `npx soulcaster-backup init --help`. Nothing was changed.' });
}

function parseDays(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a number of days from 1 to 99999.');
}
