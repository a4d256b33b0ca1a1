import { Option, type Command } from 'commander';
import type { Perform } from './context.js';
import type { GithubRotateOptions } from './github-rotate.js';
import type { SwitchOptions } from './switch.js';

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
  soulcaster-backup switch standby              show that, ask, and point them to the database "standby"`;

/** The commands that check the application's accounts or change its environment. */
export function addAccountCommands(program: Command, perform: Perform): void {
  const github = program.command('github').description("check or rotate the application's GitHub token and OAuth app");
  github
    .command('check')
    .description('test GITHUB_TOKEN and GITHUB_ID/GITHUB_SECRET on GitHub')
    .action(() => perform(async (context) => (await import('./doctor.js')).githubCheck(context)));
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
    .action((options: GithubRotateOptions) =>
      perform(async (context) => (await import('./github-rotate.js')).githubRotate(context, options)),
    );
  withRotation(program.command('switch'))
    .description('point the application to the database of RESTORE_TARGET_<NAME>_REST_URL and _TOKEN')
    .argument('<name>', 'name of the target')
    .option('--allow-empty', 'even if the database is empty')
    .option('--allow-unfinished', 'even if a restore into the database is unfinished')
    .addHelpText('after', SWITCH_EXAMPLES)
    .action((name: string, options: SwitchOptions) =>
      perform(async (context) => (await import('./switch.js')).switchTo(context, name, options)),
    );
}

function withRotation(command: Command): Command {
  return command
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--yes', 'do not ask')
    .option('--no-way-back', 'even if a present value is not known and could not be put back');
}
