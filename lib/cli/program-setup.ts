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
  soulcaster-backup keygen age --out age-identity.txt    the identity into a file, the public key shown
  soulcaster-backup keygen signing >> .env               a line BACKUP_SIGNING_KEY=...
  soulcaster-backup keygen secrets >> .env               CRON_SECRET, ADMIN_TOKEN, RESTORE_WEBHOOK_SECRET`;

const INIT_EXAMPLES = `
On a terminal it asks, tries each service at once, and writes one file at the end. Run it again to mend what is missing. Secrets
are typed without being shown, or come from a file or from variables; never from an argument.

Examples:
  soulcaster-backup init                                   asks for everything and writes .env
  soulcaster-backup init --answers answers.json            {"UPSTASH_REDIS_REST_URL": "https://...", ...}; null leaves out
  pass show soulcaster | soulcaster-backup init --answers -
  soulcaster-backup init --store --env-file .env           the bucket: versions, no public access, policies under deploy/
  soulcaster-backup init --from-env --set BACKUP_LABEL=staging --file .env.staging`;

/** The commands that set a deployment up. */
export function addSetupCommands(program: Command, perform: Perform): void {
  program
    .command('init')
    .description(
      'set everything up: ask for, fetch or generate what is needed, try it, and write the variables to a file',
    )
    .option('--file <file>', 'the file that is made, or changed after a question', '.env')
    .option('--answers <file>', 'ask nothing: a JSON file of variables, or - for the standard input')
    .option('--from-env', 'ask nothing: take the variables that are set in the environment')
    .option('--set <name=value...>', 'ask nothing: a variable that is no secret')
    .option('--identity-file <file>', 'where a fresh age identity is written', 'age-identity.txt')
    .option('--force', 'ask nothing, and change a file that exists')
    .option('--despite-failures', 'write the file although something failed when it was tried')
    .option('--acl', 'instead: show the database user that snapshots need, and try whether the token is one')
    .option('--store', 'instead: make or check the bucket of BACKUP_STORE, write its policies, and try them')
    .option('--versioning', 'with --store: turn versioning on (the default on AWS)')
    .option('--no-versioning', 'with --store: leave versioning as it is')
    .option('--object-lock <days>', 'with --store: keep objects from being removed for this many days', days)
    .option('--team-slug <name>', 'with --store: the team, as it stands in the addresses of Vercel')
    .option('--out <folder>', 'with --store: where the policies are written', 'deploy')
    .addHelpText('after', INIT_EXAMPLES)
    .action((options: InitOptions & StoreOptions & { store?: boolean; acl?: boolean }, command: Command) =>
      perform(async (context) => {
        demandOneKind(command, options);
        if (options.acl === true) return (await import('./init/store.js')).initAcl(context);
        if (options.store === true) return (await import('./init/store.js')).initStore(context, options);
        return (await import('./init.js')).init(context, options);
      }),
    );
  program
    .command('deploy')
    .description(
      'set the variables in the Vercel project, build it, check it, take the first snapshot and drill; can be run again',
    )
    .option('--dry-run', 'show what would be set and built, and change nothing')
    .option('--yes', 'do not ask')
    .option('--rebuild', 'build production again although its variables are as they should be')
    .action((options: DeployOptions) =>
      perform(async (context) => (await import('./deploy.js')).deploy(context, options)),
    );
  program
    .command('rotate-keys')
    .description(
      'generate new keys in the env file; what the old ones signed or encrypted stays trusted and restorable',
    )
    .option('--signing', 'a new BACKUP_SIGNING_KEY; the old public key stays accepted')
    .option('--recipients', 'a new age identity and recipient; the old identity stays in its file')
    .option('--secrets', 'new CRON_SECRET, ADMIN_TOKEN and RESTORE_WEBHOOK_SECRET')
    .option('--file <file>', 'the env file (default: that of --env-file, else .env)')
    .option('--yes', 'do not ask')
    .action((options: Omit<RotateKeysOptions, 'file'> & { file?: string }, command: Command) => {
      // The keys of another file than the one that is named must not be changed.
      const { envFile = '.env' } = command.optsWithGlobals<GlobalOptions>();
      const file = options.file ?? envFile;
      return perform(async (context) => (await import('./rotate-keys.js')).rotateKeys(context, { ...options, file }));
    });
  program
    .command('keygen')
    .description('generate keys: an age identity, a signing key, or the secrets of those who may call')
    .addArgument(new Argument('<kind>', 'which').choices(['age', 'signing', 'secrets']))
    .option('--out <file>', 'write them to this new file, with mode 0600, instead of showing them')
    .addHelpText('after', KEYGEN_EXAMPLES)
    .action((kind: KeyKind, options: KeygenOptions) =>
      perform(async (context) => (await import('./keygen.js')).keygen(context, kind, options)),
    );
}

/** Throws `usage` for options of a bucket where none is set up: they would not be heeded. */
function demandOneKind(command: Command, { acl, store }: { store?: boolean; acl?: boolean }): void {
  if (acl === true && store === true) throw notTogether('--acl goes without --store');
  const given = Object.entries({
    versioning: '--versioning',
    objectLock: '--object-lock',
    teamSlug: '--team-slug',
    out: '--out',
  }).find(([name]) => command.getOptionValueSource(name) === 'cli');
  if (store !== true && given !== undefined) throw notTogether(`${given[1]} goes with --store alone`);
}

function notTogether(message: string): AppError {
  return new AppError('usage', message, { hint: 'See `npx soulcaster-backup init --help`. Nothing was changed.' });
}

function days(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It takes a number of days from 1 to 99999.');
}
