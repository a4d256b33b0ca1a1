import { parseEnvFile } from '../app/config/env-file.js';
import { problemOfValue, knownVariables, type Environment } from '../app/config.js';
import { isFunctionVariable } from '../app/config/names.js';
import { connect, connectSigningKeys } from '../app/connect.js';
import { recipientsOf, generateAgeIdentity, generateSigningKey } from '../app/connect/stores.js';
import { AppError, toAppError } from '../errors.js';
import { removeCommand } from '../health/checks/deployment.js';
import { costOfLacking, promiseChecks } from '../health/checks/promises.js';
import { gather } from '../setup/gather.js';
import type { Prompter, Service, Setup, SetupEvent, Values, Sources } from '../setup/model.js';
import {
  ADOPT_COMMAND,
  FIRST_SIGNING_KEY,
  identityAdvice,
  identityFileText,
  isFirstSigningKey,
} from '../setup/secrets.js';
import { variablesOf } from '../setup/services.js';
import type { Context } from './context.js';
import { formatCheck } from './doctor.js';
import { readAnswers, terminalPrompter, type AnswerOptions } from './init/answers.js';
import {
  changesOf,
  envFileText,
  type Change,
  createPrivateFile,
  assertFolderWritable,
  readIfExists,
  replacePrivateFile,
  identityPath,
} from './env-file.js';
import { counted } from '../formats.js';
import { canPrompt } from './prompt.js';
import { rm, readFile } from 'node:fs/promises';
import { checkGroups } from '../app/checks.js';
import { examine, type CheckResult } from '../health/doctor.js';
import type { Clock } from '../ports/clock.js';

export interface InitOptions extends AnswerOptions {
  /** The env file to create or change. */
  readonly file: string;
  /** Where a new age identity is written: relative to the folder of the env file. */
  readonly identityFile: string;
  /** Ask nothing, and change an existing file. */
  readonly force?: boolean;
  /** Write the file although checks failed. */
  readonly despiteFailures?: boolean;
}

/**
 * `init`: asks for values, fetches or generates the rest, checks everything, and writes one env file at the end, completely or
 * not at all. Exit 1, with nothing written, when a check failed and there is no terminal to decide on.
 */
export async function init(context: Context, options: InitOptions): Promise<number> {
  context.nameInHints(options.file);
  await assertFolderWritable(options.file);
  const present = await readIfExists(options.file);
  const before = present === null ? {} : withoutEmpty(parseEnvFile(present));
  const { values: answers, withheld } = await readAnswers(context.env, options);
  const isGiven = options.answers !== undefined || options.fromEnv === true || options.set !== undefined;
  const prompter = isGiven || options.force === true ? null : requirePrompter(context);
  if (present !== null && prompter === null) assertCanConfirm(options);
  const given = withoutEmpty({ ...before, ...answers, ...Object.fromEntries([...withheld].map((name) => [name, ''])) });
  if (prompter !== null) context.note(WELCOME);
  const setup = await gatherAll(context, given, withheld, options, prompter, present === null);
  const changes = changesOf(before, setup.values);
  const failed = setup.checks.filter(({ ok }) => !ok);
  const lacking = await unkeptPromises(setup.values);
  const described = {
    file: options.file,
    identityFile: setup.identity?.file ?? null,
    changes,
    checks: setup.checks,
    lacking,
  };
  for (const { detail, name } of lacking) context.print(`warn  ${name.padEnd(14)} ${detail}`);
  context.print(changeList(options.file, changes));
  if (failed.length > 0 && prompter === null && options.despiteFailures !== true) {
    context.document({ ...described, written: false });
    context.note(
      `error: ${counted(failed.length, 'check')} failed (${failed.map(({ name }) => name).join(', ')}), and nothing was written`,
    );
    context.note(
      'hint: Correct the failures above and run the command again, or give --despite-failures to write the file anyway.',
    );
    return 1;
  }
  const isChanged = changes.length > 0;
  if (isChanged) {
    await confirmWriting(context, options, present !== null, prompter);
    await writeFiles(options, setup, changes, present);
  }
  context.print(isChanged ? `Written: ${options.file}, readable only by you.` : 'Nothing had to be changed.');
  await offerIdentity(context, options, setup, prompter);
  context.document({ ...described, written: isChanged });
  if (present !== null && isFirstSigningKey(before, setup.values)) {
    context.note(`BACKUP_SIGNING_KEY ${FIRST_SIGNING_KEY}: ${ADOPT_COMMAND}`);
  }
  const removed = changes.filter(({ change, name }) => change === 'removed' && isFunctionVariable(name));
  if (removed.length > 0 && nextCommand(setup) === 'deploy') {
    const names = removed.map(({ name }) => name);
    context.note(
      `Functions that already have ${names.join(', ')} use ${names.length === 1 ? 'it' : 'them'} until removed there as well. Next: ${removeCommand(names)}`,
    );
    return 0;
  }
  context.note(`Next: npx soulcaster-backup ${nextCommand(setup)} --env-file .env`);
  return 0;
}

const WELCOME = `Each service is checked as soon as its values are known. Secrets are not shown while you type. Nothing is written before the
end, and Ctrl-C changes nothing.
`;

function requirePrompter({ interrupt }: Context): Prompter {
  if (canPrompt()) return terminalPrompter(interrupt);
  throw new AppError('usage', 'Questions cannot be asked: this is not a terminal', {
    hint: 'Give the values: `npx soulcaster-backup init --answers FILE`, with a JSON file of variables, or --from-env.',
  });
}

/** Throws `not-confirmed` before any check, if changing an existing file could not be confirmed at the end. */
function assertCanConfirm({ file, force }: InitOptions): void {
  if (force === true || canPrompt()) return;
  throw new AppError(
    'not-confirmed',
    `The file ${JSON.stringify(file)} exists, and changing it cannot be confirmed: this is not a terminal`,
    {
      hint: 'Give --force to change it, or another name with --file.',
    },
  );
}

function gatherAll(
  context: Context,
  given: Values,
  withheld: ReadonlySet<string>,
  options: InitOptions,
  prompter: Prompter | null,
  isNew: boolean,
): Promise<Setup> {
  const { clock } = connect(context.env, ['clock']);
  return gather(given, withheld, {
    clock,
    prompter,
    isNew,
    sources: sourcesOf(context.env, options.file, options.identityFile),
    problemOf: problemOfValue,
    costOf,
    probe: (values, names) => runNamedChecks(mergeEnvironment(context.env, values), clock, names, context.interrupt),
    print: (event) => printEvent(context, event),
  });
}

const costOf = (service: Service): string | null => costOfLacking(variablesOf(service));

function printEvent(context: Context, event: SetupEvent): void {
  if (event.kind === 'checked') context.print(formatCheck(event.result));
  else if (event.kind === 'begins') context.print(`\n${event.service.title}`);
  else context.print(`\n${event.service.title}: left out`);
}

/** What this setup does not protect against: doctor's own list. */
async function unkeptPromises(values: Values): Promise<{ readonly name: string; readonly detail: string }[]> {
  const checks = promiseChecks((name) => (values[name] ?? '') !== '').flat();
  return Promise.all(checks.map(async (check) => ({ name: check.name, detail: (await check.run()).detail })));
}

function changeList(file: string, changes: readonly Change[]): string {
  if (changes.length === 0) return `\n${file} is already complete.`;
  const signs = { added: '+', changed: '~', removed: '-' } as const;
  const lines = changes.map(
    ({ change, name, value }) => `  ${signs[change]} ${name}${value === null ? '' : `=${value}`}`,
  );
  return [`\nChanges to ${file} (secrets are not shown):`, ...lines].join('\n');
}

async function confirmWriting(
  context: Context,
  { file, force }: InitOptions,
  exists: boolean,
  prompter: Prompter | null,
): Promise<void> {
  if (force === true || (prompter === null && !exists)) return;
  const confirming = prompter ?? requirePrompter(context);
  if (await confirming.confirm(exists ? `Change ${file} like this?` : `Write ${file}?`, true)) return;
  throw new AppError('not-confirmed', 'Nothing was written', { hint: 'Run it again: npx soulcaster-backup init' });
}

/** Writes the identity first: otherwise the variables could encrypt to a key that exists nowhere. */
async function writeFiles(
  options: InitOptions,
  { identity, leftOut, values }: Setup,
  changes: readonly Change[],
  present: Buffer | null,
): Promise<void> {
  const described = leftOut.map((service) => ({ service, cost: costOf(service) }));
  const text = envFileText(present?.toString('utf8') ?? null, values, changes, described);
  if (identity === null) return replacePrivateFile(options.file, text, present);
  const path = identityPath(options.file, identity.file);
  const [recipient = ''] = await recipientsOf(identity.secret);
  await createPrivateFile(path, identityFileText(identity.secret, recipient, new Date()));
  await replacePrivateFile(options.file, text, present).catch(async (error: unknown) => {
    await rm(path, { force: true });
    throw error;
  });
}

async function offerIdentity(
  context: Context,
  options: InitOptions,
  { identity }: Setup,
  prompter: Prompter | null,
): Promise<void> {
  if (identity === null) return;
  context.note(identityAdvice(identityPath(options.file, identity.file)));
  // Everything is written by now, so an interrupt here only means no.
  const isWanted = await prompter?.confirm('Show the identity once, to copy it?', false).catch(() => false);
  if (isWanted === true) process.stderr.write(`${identity.secret}\n`);
}

function nextCommand({ values }: Setup): string {
  return 'VERCEL_API_TOKEN' in values && 'SOULCASTER_BACKUP_PROJECT' in values ? 'deploy' : 'doctor';
}

function withoutEmpty(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ''));
}

/** The given values, and variables of the process that are not this program's, such as those of the AWS SDK. */
function mergeEnvironment(env: Environment, values: Values): Environment {
  const known = knownVariables();
  const others = Object.entries(env).filter(([name]) => !known.has(name) || name === 'AWS_PROFILE');
  return { ...Object.fromEntries(others), ...values };
}

/** Runs only doctor's checks with these names. Checks that need a deployment are left out: there may be none yet. */
async function runNamedChecks(
  env: Environment,
  clock: Clock,
  names: readonly string[],
  interrupt: AbortSignal,
): Promise<CheckResult[]> {
  const groups = checkGroups(env, clock, true)
    .filter(([first]) => first !== undefined && names.includes(first.name))
    .map((group) => group.filter(({ name }) => name !== 'queue-way-back'));
  const results: CheckResult[] = [];
  for await (const result of examine(clock, groups)) {
    if (interrupt.aborted) throw toAppError(interrupt.reason);
    if (result.status !== 'skipped') results.push(result);
  }
  return results;
}

/** `identityFile`: the path of the age identity, relative to the folder of `envFile`. */
function sourcesOf(env: Environment, envFile: string, identityFile: string): Sources {
  const withValues = (values: Values): Environment => mergeEnvironment(env, values);
  return {
    account: (values) => connect({ UPSTASH_REDIS_ID: 'not-known-yet', ...withValues(values) }, ['account']).account,
    projects: (values) => connect(withValues(values), ['projects']).projects,
    queueSigningKeys: (values) => connectSigningKeys(withValues(values)),
    generateSigningKey: () => generateSigningKey().privateKey,
    async ageIdentity() {
      const existing = await readFile(identityPath(envFile, identityFile), 'utf8').catch(() => null);
      if (existing !== null) return { recipients: await recipientsOf(existing), fresh: null, file: identityFile };
      const { identity, recipient } = await generateAgeIdentity();
      return { recipients: [recipient], fresh: identity, file: identityFile };
    },
  };
}
