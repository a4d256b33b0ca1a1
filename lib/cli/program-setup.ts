import { Argument, type Command, Option } from 'commander';
import type { InitOptions } from './init.js';
import type { StoreOptions } from './init/store.js';
import type { RotateKeysOptions } from './keys.js';
import { collectValues, parseNumber } from './arguments.js';
import { AppError } from '../errors.js';
import { lazy, type GlobalOptions, type Perform } from './context.js';

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
    .option(
      '--object-lock <days>',
      'with --store: lock objects against removal for this many days',
      parseNumber(1, 99_999, 'Give a number of days from 1 to 99999.'),
    )
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
    .option(
      '--remove <variable>',
      'remove a variable that the env file no longer has from the Vercel project; can be repeated',
      collectValues(),
    )
    .action(lazy(perform, () => import('./deploy.js'), 'deploy'));
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
      return perform(async (context) => (await import('./keys.js')).rotateKeys(context, { ...options, file }));
    });
  program
    .command('keygen')
    .description('generate an age identity, a signing key, or the secrets of callers')
    .addArgument(new Argument('<kind>', 'what to generate').choices(['age', 'signing', 'secrets']))
    .option('--out <file>', 'write to this new file, with mode 0600, instead of printing')
    .addHelpText('after', KEYGEN_EXAMPLES)
    .action(lazy(perform, () => import('./keys.js'), 'keygen'));
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

const ROTATE_EXAMPLES = `
The new value is tested on GitHub before anything is changed. Then it is set on Vercel and the project is rebuilt; if a step
fails, the old value is put back. A value is never an argument: type it, or pass it through a pipe or a variable.

Examples:
  soulcaster-backup github rotate --dry-run                      show what would be done with a new GITHUB_TOKEN
  soulcaster-backup github rotate                                ask for the token, without showing it
  pass show github | soulcaster-backup github rotate --value-stdin --yes
  soulcaster-backup github rotate --app --value-env NEW_SECRET   a new client secret of the OAuth app`;

const SWITCH_EXAMPLES = `
Examples:
  soulcaster-backup switch standby --dry-run    show which variables of which projects would be changed
  soulcaster-backup switch standby              show that, ask, and point them to the database "standby"
  soulcaster-backup switch standby --replica    the same when the first store is lost as well`;

/** The commands that check the application's accounts or change its environment. */
export function addAccountCommands(program: Command, perform: Perform): void {
  const github = program.command('github').description("check or rotate the application's GitHub token and OAuth app");
  github
    .command('check')
    .description('test GITHUB_TOKEN and GITHUB_ID/GITHUB_SECRET on GitHub')
    .action(lazy(perform, () => import('./doctor.js'), 'githubCheck'));
  withRotation(github.command('rotate'))
    .description('give the application a new GitHub token, or a new secret for its OAuth app')
    .addOption(new Option('--token', 'GITHUB_TOKEN of the backend (the default)').conflicts('app'))
    .option('--app', 'GITHUB_SECRET of the dashboard')
    .option('--client-id <id>', 'with --app: another OAuth app, so that GITHUB_ID is set as well')
    .option('--project <name...>', 'these Vercel projects instead of the configured one')
    .addOption(new Option('--value-stdin', 'read the new value from the standard input').conflicts('valueEnv'))
    .option('--value-env <name>', 'take the new value from this variable')
    .addOption(
      new Option('--old-value-stdin', 'read the present value from the next line of the standard input').conflicts(
        'oldValueEnv',
      ),
    )
    .option('--old-value-env <name>', 'take the present value from this variable')
    .addHelpText('after', ROTATE_EXAMPLES)
    .action(lazy(perform, () => import('./github-rotate.js'), 'githubRotate'));
  withRotation(program.command('switch'))
    .description('point the application to the database of RESTORE_TARGET_<NAME>_REST_URL and _TOKEN')
    .argument('<name>', 'name of the target')
    .option('--allow-empty', 'even if the database is empty')
    .option('--allow-unfinished', 'even if a restore into the database is unfinished')
    .option('--replica', 'record the change in the second store, BACKUP_REPLICA_STORE')
    .addHelpText('after', SWITCH_EXAMPLES)
    .action(lazy(perform, () => import('./rotation.js'), 'switchTo'));
}

function withRotation(command: Command): Command {
  return command
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--yes', 'do not ask')
    .option('--no-way-back', 'even if a present value is not known and could not be put back');
}

const BACKUPS_EXAMPLES = `
These are backups that Upstash itself keeps: a second line of defence, besides the snapshots of this program. The commands
need UPSTASH_EMAIL, UPSTASH_API_KEY and UPSTASH_REDIS_ID.

Examples:
  soulcaster-backup upstash backups list
  soulcaster-backup upstash backups create --name before-migration
  soulcaster-backup upstash backups restore latest --dry-run       show what would be deleted and restored
  soulcaster-backup upstash backups restore latest                 ask for the name of the database, then restore`;

/** The commands of Upstash's own backups. */
export function addUpstashCommands(program: Command, perform: Perform): void {
  const upstash = program.command('upstash').description("Upstash's own backups of the database");
  const backups = upstash.command('backups').description('list, create, restore or delete them');
  backups.addHelpText('after', BACKUPS_EXAMPLES);
  addBackups(backups, perform);
  addBackupRestore(backups, perform);
  const daily = upstash.command('daily').description('backups that Upstash makes every day and keeps for 1 or 3 days');
  daily
    .command('status')
    .description('show whether daily backups are on, and the newest of them')
    .action(lazy(perform, () => import('./upstash/backups.js'), 'showDailyStatus'));
  for (const word of ['on', 'off'] as const) {
    daily
      .command(word)
      .description(`turn daily backups ${word}`)
      .option('--yes', 'do not ask')
      .action((options: { yes?: boolean }) =>
        perform(async (context) =>
          (await import('./upstash/backups.js')).setDailyBackups(context, word === 'on', options),
        ),
      );
  }
}

function addBackups(backups: Command, perform: Perform): void {
  backups
    .command('list')
    .description('list the backups of the database, newest first')
    .option('--from <database>', 'list the backups of another database of the account, by its id')
    .action(lazy(perform, () => import('./upstash/backups.js'), 'listBackups'));
  backups
    .command('create')
    .description('have Upstash make a backup, and wait until it is complete')
    .option('--name <name>', 'its name (default: a name with the time)')
    .option('--no-wait', 'do not wait until it is complete')
    .action(lazy(perform, () => import('./upstash/backups.js'), 'createProviderBackup'));
  backups
    .command('delete')
    .description('permanently delete a backup at Upstash')
    .argument('<backup>', 'its id')
    .option('--yes', 'do not ask')
    .action(lazy(perform, () => import('./upstash/backups.js'), 'deleteProviderBackup'));
}

function addBackupRestore(backups: Command, perform: Perform): void {
  backups
    .command('restore')
    .description('DELETE EVERYTHING in the database, and restore a backup of Upstash into it')
    .argument('[backup]', 'id of a backup, or `latest` for the newest complete one', 'latest')
    .option('--from <database>', 'use a backup of another database of the account, by its id')
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--confirm <name>', 'id or name of the database to replace; asked for on a terminal')
    .option('--no-safety', 'do not save the present state first: the restore cannot be undone')
    .action(lazy(perform, () => import('./upstash/restore.js'), 'restoreBackup'));
}
