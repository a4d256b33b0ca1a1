import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseEnvFile } from '../app/config/env-file.js';
import { environment, type Environment } from '../app/config.js';
import { AppError } from '../errors.js';
import type { Log, LogFields } from '../ports/index.js';
import { counted } from '../formats.js';
import { nameEnvFile, printable, printableJson, redact } from './output/text.js';

/** The environment and output of a command. */
export interface Context {
  readonly env: Environment;
  /** The variables of the file of --env-file alone, without the shell's. Absent without a file. */
  readonly fileEnv?: Environment;
  readonly json: boolean;
  /** Whether the standard error is a terminal, so that a line can be redrawn. */
  readonly onTerminal: boolean;
  /** Aborted, with an AppError `interrupted` as its reason, when the process receives a signal to stop. */
  readonly interrupt: AbortSignal;
  /** Prints text to the standard output; nothing with --json. */
  print(text: string): void;
  /** Prints the one JSON document of a command; nothing without --json. */
  document(value: unknown): void;
  /** For a command that writes an env file: hints name it from now on, in place of the one of --env-file. */
  nameInHints(file: string): void;
  /** Prints a note to the standard error. */
  note(text: string): void;
  /** Prints warnings and errors of the use cases as notes. */
  readonly log: Log;
}

/** Runs a command and stores its exit code. */
export type Perform = (work: (context: Context) => Promise<number>) => Promise<void>;

/** The action of a command whose code is loaded when it runs, and called with the command's arguments and options. */
export function lazy<Name extends string>(
  perform: Perform,
  load: () => Promise<Readonly<Record<Name, (context: Context, ...given: never[]) => Promise<number>>>>,
  name: Name,
) {
  return (...given: unknown[]): Promise<void> =>
    // Commander appends the command itself.
    perform(async (context) => (await load())[name](context, ...(given.slice(0, -1) as never[])));
}

export interface GlobalOptions {
  readonly json?: boolean;
  readonly envFile?: string;
}

/** A context that is closed when the command ends. */
interface OpenContext extends Context {
  close(): void;
}

export async function createContext(options: GlobalOptions, interrupt: AbortSignal): Promise<OpenContext> {
  const fileEnv = options.envFile === undefined ? null : await loadEnvFile(options.envFile);
  const { env, missing } = await withIdentityFile({ ...environment(), ...fileEnv }, options.envFile);
  const json = options.json === true;
  let { envFile } = options;
  const note = (text: string): void =>
    void process.stderr.write(`${printable(redact(nameEnvFile(text, envFile), env))}\n`);
  const ignored = new Map<string, string>();
  if (missing !== null) note(missing);
  return {
    env,
    ...(fileEnv === null ? {} : { fileEnv }),
    json,
    onTerminal: process.stderr.isTTY && env['TERM'] !== 'dumb',
    interrupt,
    print(text) {
      if (!json) process.stdout.write(`${printable(nameEnvFile(text, envFile))}\n`);
    },
    document(value) {
      if (json) process.stdout.write(`${printableJson(withIgnored(value, ignored), envFile)}\n`);
    },
    nameInHints(file) {
      envFile = file;
    },
    note,
    log: collectIgnoredObjects(noteLog(note, env['DEBUG'] === '1'), ignored),
    close() {
      if (ignored.size > 0) note(ignoredWarning(ignored));
    },
  };
}

/** Collects ignored control objects for one warning at the end: there may be one for every run. */
function collectIgnoredObjects(log: Log, ignored: Map<string, string>): Log {
  return {
    ...log,
    warn(event, fields = {}) {
      if (event === 'control-object-ignored') ignored.set(String(fields['object']), String(fields['why']));
      else log.warn(event, fields);
    },
  };
}

function ignoredWarning(ignored: ReadonlyMap<string, string>): string {
  const [[first] = ['']] = ignored;
  const reasons = new Map<string, number>();
  for (const why of ignored.values()) reasons.set(why, (reasons.get(why) ?? 0) + 1);
  const counts = [...reasons].map(([why, count]) => `${count} ${why}`).join(', ');
  return `warning: ${counted(ignored.size, 'control object')} in the store ignored (${counts}), the first ${first}; --json lists all`;
}

function withIgnored(value: unknown, ignored: ReadonlyMap<string, string>): unknown {
  if (ignored.size === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return { ...value, ignoredObjects: [...ignored].map(([object, why]) => ({ object, why })) };
}

/**
 * Loads BACKUP_AGE_IDENTITY from BACKUP_AGE_IDENTITY_FILE, a path relative to the env file, so that the identity is not among
 * variables that are copied to other places. If the file cannot be read, encrypted snapshots cannot be opened.
 */
async function withIdentityFile(
  env: Environment,
  envFile: string | undefined,
): Promise<{ readonly env: Environment; readonly missing: string | null }> {
  const name = env['BACKUP_AGE_IDENTITY_FILE'] ?? '';
  if (name === '' || (env['BACKUP_AGE_IDENTITY'] ?? '') !== '') return { env, missing: null };
  const text = await readFile(resolve(envFile === undefined ? '.' : dirname(envFile), name), 'utf8').catch(() => null);
  if (text === null) {
    return { env, missing: `warning: BACKUP_AGE_IDENTITY_FILE cannot be read: ${JSON.stringify(name)}` };
  }
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const identity = lines.filter((line) => line !== '' && !line.startsWith('#')).join(',');
  return { env: { ...env, BACKUP_AGE_IDENTITY: identity }, missing: null };
}

async function loadEnvFile(file: string): Promise<Environment> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new AppError('config', `The file ${JSON.stringify(file)} given with --env-file cannot be read`, {
      hint: 'Give the path of a file of NAME=value lines; `npx soulcaster-backup dev` writes one to .local/env.',
      cause,
    });
  });
  return parseEnvFile(bytes);
}

/** A log that prints warnings and errors only, since commands report their progress themselves; with DEBUG=1 everything. */
function noteLog(note: (text: string) => void, everything: boolean): Log {
  const line =
    (level: string) =>
    (event: string, fields: LogFields = {}): void => {
      const rest = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
      note(`${level}: ${[event, ...rest].join(' ')}`);
    };
  return { info: everything ? line('info') : () => undefined, warn: line('warning'), error: line('error') };
}
