import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { environment, withEnvFile, type Environment } from '../app/config.js';
import { AppError } from '../errors.js';
import type { Log, LogFields } from '../ports/log.js';
import { counted } from './output/format.js';
import { printable, printableJson, redact } from './output/redact.js';

/** What a command has to work with. */
export interface Context {
  readonly env: Environment;
  readonly json: boolean;
  /** Whether the standard error is a terminal, on which a line may be drawn over. */
  readonly onTerminal: boolean;
  /** Aborted, with an AppError `interrupted` as reason, when the process is told to stop. */
  readonly interrupt: AbortSignal;
  /** A text for people on the standard output; nothing with --json. */
  print(text: string): void;
  /** The one JSON document of a command; nothing without --json. */
  document(value: unknown): void;
  /** A remark on the standard error. */
  note(text: string): void;
  /** Warnings and errors of the parts below, as remarks. */
  readonly log: Log;
}

/** Runs a command's work and keeps its exit code. */
export type Perform = (work: (context: Context) => Promise<number>) => Promise<void>;

export interface GlobalOptions {
  readonly json?: boolean;
  readonly envFile?: string;
}

/** A context, and what is to be called when the command is over. */
interface OpenContext extends Context {
  conclude(): void;
}

export async function createContext(options: GlobalOptions, interrupt: AbortSignal): Promise<OpenContext> {
  const { env, missing } = await withIdentity(await variables(options.envFile), options.envFile);
  const json = options.json === true;
  const note = (text: string): void => void process.stderr.write(`${printable(redact(text, env))}\n`);
  const ignored = new Map<string, string>();
  if (missing !== null) note(missing);
  return {
    env,
    json,
    onTerminal: process.stderr.isTTY && env['TERM'] !== 'dumb',
    interrupt,
    print(text) {
      if (!json) process.stdout.write(`${printable(text)}\n`);
    },
    document(value) {
      if (json) process.stdout.write(`${printableJson(withIgnored(value, ignored))}\n`);
    },
    note,
    log: gathering(remarks(note, env['DEBUG'] === '1'), ignored),
    conclude() {
      if (ignored.size > 0) note(ignoredWords(ignored));
    },
  };
}

/** Control objects that do not count are told of together at the end: there may be one for every run. */
function gathering(log: Log, ignored: Map<string, string>): Log {
  return {
    ...log,
    warn(event, fields = {}) {
      if (event === 'control-object-ignored') ignored.set(String(fields['object']), String(fields['why']));
      else log.warn(event, fields);
    },
  };
}

function ignoredWords(ignored: ReadonlyMap<string, string>): string {
  const [[first] = ['']] = ignored;
  const reasons = new Map<string, number>();
  for (const why of ignored.values()) reasons.set(why, (reasons.get(why) ?? 0) + 1);
  const counts = [...reasons].map(([why, count]) => `${count} ${why}`).join(', ');
  return `warning: ${counted(ignored.size, 'control object')} in the store ignored (${counts}), the first ${first}; --json names all`;
}

function withIgnored(value: unknown, ignored: ReadonlyMap<string, string>): unknown {
  if (ignored.size === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return { ...value, ignoredObjects: [...ignored].map(([object, why]) => ({ object, why })) };
}

/**
 * BACKUP_AGE_IDENTITY from the file that BACKUP_AGE_IDENTITY_FILE names, beside the env file where its path is not whole: so
 * the identity need not stand among variables that are copied to other places. Without the file nothing is opened here.
 */
async function withIdentity(
  env: Environment,
  envFile: string | undefined,
): Promise<{ readonly env: Environment; readonly missing: string | null }> {
  const name = env['BACKUP_AGE_IDENTITY_FILE'] ?? '';
  if (name === '' || (env['BACKUP_AGE_IDENTITY'] ?? '') !== '') return { env, missing: null };
  const text = await readFile(resolve(envFile === undefined ? '.' : dirname(envFile), name), 'utf8').catch(() => null);
  if (text === null) {
    return { env, missing: `warning: the file of BACKUP_AGE_IDENTITY_FILE cannot be read: ${JSON.stringify(name)}` };
  }
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const identity = lines.filter((line) => line !== '' && !line.startsWith('#')).join(',');
  return { env: { ...env, BACKUP_AGE_IDENTITY: identity }, missing: null };
}

async function variables(file: string | undefined): Promise<Environment> {
  if (file === undefined) return environment();
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new AppError('config', `The file ${JSON.stringify(file)} given with --env-file cannot be read`, {
      hint: 'Give the path of a file of NAME=value lines; `soulcaster-backup dev` writes one to .local/env.',
      cause,
    });
  });
  return withEnvFile(environment(), bytes);
}

/** The command itself says how it goes: only what is out of order is told, and with DEBUG=1 everything. */
function remarks(note: (text: string) => void, everything: boolean): Log {
  const line =
    (level: string) =>
    (event: string, fields: LogFields = {}): void => {
      const rest = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
      note(`${level}: ${[event, ...rest].join(' ')}`);
    };
  return { info: everything ? line('info') : () => undefined, warn: line('warning'), error: line('error') };
}
