import { parseEnvFile } from '../app/config/env-file.js';
import { problemOfValue } from '../app/config.js';
import { connect } from '../app/connect.js';
import { recipientsOf } from '../app/connect/keys.js';
import { AppError } from '../errors.js';
import { costOfLacking, promiseChecks } from '../health/checks/promises.js';
import { gather } from '../setup/gather.js';
import type { Prompter, Service, Setup, SetupEvent, Values } from '../setup/model.js';
import { identityFileText } from '../setup/secrets.js';
import { variablesOf } from '../setup/services.js';
import type { Context } from './context.js';
import { checkLine } from './doctor.js';
import { readAnswers, type AnswerOptions } from './init/answers.js';
import { changesOf, envFileText, type Change } from './init/file-text.js';
import { environmentOf, identityPath, probe, sourcesOf } from './init/sources.js';
import { counted } from './output/format.js';
import { createPrivateFile, demandWritable, readIfThere, replacePrivateFile } from './private-file.js';
import { canPrompt } from './prompt.js';
import { rm } from 'node:fs/promises';

export interface InitOptions extends AnswerOptions {
  /** The env file that is made or changed. */
  readonly file: string;
  /** Where a fresh age identity is written: beside the env file if it is no path. */
  readonly identityFile: string;
  /** Ask nothing, and change a file that is there. */
  readonly force?: boolean;
  /** Write also what failed when it was tried. */
  readonly despiteFailures?: boolean;
}

/**
 * `init`: asks what it cannot know, fetches and makes the rest, tries everything, and writes one env file at the end, all of
 * it or nothing. Exit 1, and nothing written, when something failed and nobody is there to decide.
 */
export async function init(context: Context, options: InitOptions): Promise<number> {
  await demandWritable(options.file);
  const present = await readIfThere(options.file);
  const before = present === null ? {} : withoutEmpty(parseEnvFile(present));
  const { values: answers, withheld } = await readAnswers(context.env, options);
  const isGiven = options.answers !== undefined || options.fromEnv === true || options.set !== undefined;
  const asker = isGiven || options.force === true ? null : await demandAsker(context);
  if (present !== null && asker === null) demandConsentPossible(options);
  const given = withoutEmpty({ ...before, ...answers, ...Object.fromEntries([...withheld].map((name) => [name, ''])) });
  if (asker !== null) context.note(WELCOME);
  const setup = await gatherAll(context, given, withheld, options, asker);
  const changes = changesOf(before, setup.values);
  const failed = setup.checks.filter(({ ok }) => !ok);
  const lacking = await lackingOf(setup.values);
  const described = {
    file: options.file,
    identityFile: setup.identity?.file ?? null,
    changes,
    checks: setup.checks,
    lacking,
  };
  for (const { detail, name } of lacking) context.print(`warn  ${name.padEnd(14)} ${detail}`);
  context.print(changeList(options.file, changes));
  if (failed.length > 0 && asker === null && options.despiteFailures !== true) {
    context.document({ ...described, written: false });
    context.note(
      `error: ${counted(failed.length, 'check')} failed (${failed.map(({ name }) => name).join(', ')}), and nothing was written`,
    );
    context.note(
      'hint: Correct what is named above and start again, or give --despite-failures to write it all the same.',
    );
    return 1;
  }
  const isChanged = changes.length > 0;
  if (isChanged) {
    await confirmWriting(context, options, present !== null, asker);
    await write(options, setup, changes, present);
  }
  context.print(isChanged ? `Written: ${options.file}, which you alone may read.` : 'Nothing had to be changed.');
  await printIdentity(context, options, setup, asker);
  context.document({ ...described, written: isChanged });
  context.note(`Next: npx soulcaster-backup ${nextCommand(setup)} --env-file ${options.file}`);
  return 0;
}

const WELCOME = `Each service is tried as soon as its values are there. What you type for a secret is not shown; nothing is written before
the end, and Ctrl-C leaves everything as it was.
`;

async function demandAsker(context: Context): Promise<Prompter> {
  if (canPrompt()) return (await import('./init/answers.js')).terminalAsker(context.interrupt);
  throw new AppError('usage', 'There is nobody to ask: this is no terminal', {
    hint: 'Give what is known: npx soulcaster-backup init --answers FILE, with a JSON file of variables, or --from-env.',
  });
}

/** Known before anything is tried, rather than after all of it. */
function demandConsentPossible({ file, force }: InitOptions): void {
  if (force === true || canPrompt()) return;
  throw new AppError(
    'not-confirmed',
    `The file ${JSON.stringify(file)} exists, and nobody is here to agree to changing it`,
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
  asker: Prompter | null,
): Promise<Setup> {
  const { clock } = connect(context.env, ['clock']);
  return gather(given, withheld, {
    clock,
    asker,
    sources: sourcesOf(context.env, options.file, options.identityFile),
    problemOf: problemOfValue,
    costOf,
    probe: (values, names) => probe(environmentOf(context.env, values), clock, names, context.interrupt),
    print: (event) => tell(context, event),
  });
}

const costOf = (service: Service): string | null => costOfLacking(variablesOf(service));

function tell(context: Context, event: SetupEvent): void {
  if (event.kind === 'checked') context.print(checkLine(event.result));
  else if (event.kind === 'begins') context.print(`\n${event.service.title}`);
  else context.print(`\n${event.service.title}: left out`);
}

/** The promises that nothing keeps: the very list of doctor. */
async function lackingOf(values: Values): Promise<{ readonly name: string; readonly detail: string }[]> {
  const checks = promiseChecks((name) => (values[name] ?? '') !== '').flat();
  return Promise.all(checks.map(async (check) => ({ name: check.name, detail: (await check.run()).detail })));
}

function changeList(file: string, changes: readonly Change[]): string {
  if (changes.length === 0) return `\n${file} has it all already.`;
  const signs = { added: '+', changed: '~', removed: '-' } as const;
  const lines = changes.map(
    ({ change, name, value }) => `  ${signs[change]} ${name}${value === null ? '' : `=${value}`}`,
  );
  return [`\n${file}, by variable (values of secrets are not shown):`, ...lines].join('\n');
}

async function confirmWriting(
  context: Context,
  { file, force }: InitOptions,
  exists: boolean,
  asker: Prompter | null,
): Promise<void> {
  if (force === true || (asker === null && !exists)) return;
  const there = asker ?? (await demandAsker(context));
  if (await there.confirm(exists ? `Change ${file} like this?` : `Write ${file}?`, true)) return;
  throw new AppError('not-confirmed', 'Nothing was written', { hint: 'Start it again: npx soulcaster-backup init' });
}

/** The identity first: without its file the variables would encrypt to a key that is nowhere. */
async function write(
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

async function printIdentity(
  context: Context,
  options: InitOptions,
  { identity }: Setup,
  asker: Prompter | null,
): Promise<void> {
  if (identity === null) return;
  context.note(
    `The age identity is in ${identityPath(options.file, identity.file)}. Without it every encrypted snapshot is lost: keep it in two places away from this machine, such as a password manager and a safe.`,
  );
  // Everything is written by now: who breaks this question off does not want to see it.
  const isWanted = await asker?.confirm('Show the identity once, to copy it?', false).catch(() => false);
  if (isWanted === true) process.stderr.write(`${identity.secret}\n`);
}

function nextCommand({ values }: Setup): string {
  return 'VERCEL_API_TOKEN' in values && 'SOULCASTER_BACKUP_PROJECT' in values ? 'deploy' : 'doctor';
}

function withoutEmpty(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ''));
}
