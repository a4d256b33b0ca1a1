import { loadConfig, type Environment } from '../app/config.js';
import { connect } from '../app/connect.js';
import { AppError, toAppError } from '../errors.js';
import { assertAppWorks, assertTokenWorks } from '../health/credentials/github.js';
import type { Context } from './context.js';
import { carryOutRotation, assertCanConfirm, rotationPorts, type RotationOptions, type Wanted } from './rotation.js';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { createInterface } from 'node:readline/promises';
import { canPrompt } from './prompt.js';

export interface GithubRotateOptions extends RotationOptions, SecretOptions {
  readonly app?: boolean;
  readonly clientId?: string;
  readonly project?: readonly string[];
}

/** `github rotate`: a new GITHUB_TOKEN for the backend or, with --app, a new GITHUB_SECRET for the dashboard. */
export async function githubRotate(context: Context, options: GithubRotateOptions): Promise<number> {
  assertCanConfirm(options);
  if (options.clientId !== undefined && options.app !== true)
    throw new AppError('usage', '--client-id can only be used with --app', {
      hint: 'Give --app as well, or omit --client-id.',
    });
  rotationPorts(context);
  const wanted = options.app === true ? appRotation : tokenRotation;
  return carryOutRotation(context, await wanted(context, options), options);
}

async function tokenRotation(context: Context, options: GithubRotateOptions): Promise<Wanted> {
  const { github, clock } = connect(context.env, ['github', 'clock']);
  const repositories = loadConfig(context.env, ['github']).github.GITHUB_CHECK_REPOS;
  const projects = options.project ?? [
    loadConfig(context.env, ['backendProject']).backendProject.SOULCASTER_BACKEND_PROJECT,
  ];
  const { value, old } = await readSecrets(context, 'The new GITHUB_TOKEN', options);
  return {
    purpose: 'github-token',
    changes: projects.map((project) => ({ project, variable: 'GITHUB_TOKEN', value })),
    oldValues: oldValueOf('GITHUB_TOKEN', old),
    candidates: candidates(context.env, 'GITHUB_TOKEN'),
    prove: () => assertTokenWorks(github, clock, { token: value, repositories }),
  };
}

async function appRotation(context: Context, options: GithubRotateOptions): Promise<Wanted> {
  const { github } = connect(context.env, ['github']);
  const clientId = options.clientId ?? context.env['GITHUB_ID'] ?? '';
  if (clientId === '')
    throw new AppError('config', 'The configuration is not complete: GITHUB_ID is missing', {
      hint: 'Set GITHUB_ID to the client id of the OAuth app, or give --client-id.',
    });
  const projects = options.project ?? [
    loadConfig(context.env, ['dashboardProject']).dashboardProject.SOULCASTER_DASHBOARD_PROJECT,
  ];
  const { value, old } = await readSecrets(context, 'The new GITHUB_SECRET', options);
  return {
    purpose: 'github-app',
    changes: projects.flatMap((project) => [
      ...(options.clientId === undefined ? [] : [{ project, variable: 'GITHUB_ID', value: clientId }]),
      { project, variable: 'GITHUB_SECRET', value },
    ]),
    oldValues: [...oldValueOf('GITHUB_SECRET', old), ...oldValueOf('GITHUB_ID', context.env['GITHUB_ID'] ?? null)],
    candidates: [...candidates(context.env, 'GITHUB_SECRET'), ...candidates(context.env, 'GITHUB_ID')],
    prove: () => assertAppWorks(github, { clientId, clientSecret: value }),
  };
}

function oldValueOf(variable: string, value: Secrets['old']): Wanted['oldValues'] {
  return value === null || value === '' ? [] : [{ variable, value }];
}

function candidates(env: Environment, name: string): string[] {
  return (env[name] ?? '') === '' ? [] : [env[name] ?? ''];
}

interface SecretOptions {
  readonly valueStdin?: boolean;
  readonly valueEnv?: string;
  readonly oldValueStdin?: boolean;
  readonly oldValueEnv?: string;
}

interface Secrets {
  readonly value: string;
  /** The present value; null if not given. */
  readonly old: string | null;
}

/**
 * Reads the new value, and the present one if given: from variables, from lines of the standard input (the new value first), or
 * from a hidden prompt. Never from an argument, which every process on the machine could read.
 */
export async function readSecrets(context: Context, what: string, options: SecretOptions): Promise<Secrets> {
  const lines = options.valueStdin === true || options.oldValueStdin === true ? await readStdinLines() : [];
  const value = await readNewValue(context, what, options, lines);
  const old =
    options.oldValueStdin === true
      ? lines.shift()
      : options.oldValueEnv === undefined
        ? null
        : readVariable(context, options.oldValueEnv);
  if (old === undefined) throw missingValueError('the present value');
  if (lines.length > 0)
    throw new AppError('usage', 'The standard input has more lines than values to read', {
      hint: 'Write one value per line: the new value first, then, with --old-value-stdin, the present value.',
    });
  return { value: assertWellFormed(value, 'new'), old: old === null ? null : assertWellFormed(old, 'present') };
}

async function readNewValue(context: Context, what: string, options: SecretOptions, lines: string[]): Promise<string> {
  if (options.valueEnv !== undefined) return readVariable(context, options.valueEnv);
  if (options.valueStdin !== true) {
    // The standard input is a pipe with the present value, so there is no terminal to ask on.
    if (options.oldValueStdin === true || !canPrompt())
      throw new AppError('usage', 'The new value cannot be asked for: this is not a terminal', {
        hint: 'Give the value with --value-stdin or --value-env NAME.',
      });
    return promptHidden(`${what}, which is not shown: `, context.interrupt);
  }
  const first = lines.shift();
  if (first === undefined) throw missingValueError('the new value');
  return first;
}

async function readStdinLines(): Promise<string[]> {
  const lines = (await text(process.stdin)).split(/\r?\n/);
  return lines.map((line) => line.trim()).filter((line) => line !== '');
}

function readVariable({ env }: Context, name: string): string {
  const value = env[name] ?? '';
  if (value !== '') return value;
  throw new AppError('usage', `The variable ${JSON.stringify(name.slice(0, 60))} is not set, or is empty`, {
    hint: 'Give the name of the variable that holds the value, not the value itself.',
  });
}

async function promptHidden(question: string, interrupt: AbortSignal): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: silent, terminal: true });
  // Only after the terminal's echo is off, so that a value pasted immediately is not shown.
  process.stderr.write(question);
  // In raw mode Ctrl-C is a key, not a signal.
  reader.on('SIGINT', () => void process.kill(process.pid, 'SIGINT'));
  try {
    return (await reader.question('', { signal: interrupt })).trim();
  } catch (error) {
    throw interrupt.aborted ? toAppError(interrupt.reason) : error;
  } finally {
    reader.close();
    process.stderr.write('\n');
  }
}

/** Accepts only characters that a header, and so the service, accepts. */
function assertWellFormed(value: string, which: string): string {
  if (/^[\x21-\x7e]{1,4096}$/.test(value)) return value;
  throw new AppError('usage', `The ${which} value is empty, or contains spaces or other invalid characters`, {
    hint: 'Copy it again, without quotes.',
  });
}

function missingValueError(what: string): AppError {
  return new AppError('usage', `The standard input does not contain ${what}`, {
    hint: 'Write one value per line: the new value first, then, with --old-value-stdin, the present value.',
  });
}
