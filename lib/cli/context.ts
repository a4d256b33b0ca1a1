import { readFile } from 'node:fs/promises';
import { environment, withEnvFile, type Environment } from '../config.js';
import { AppError } from '../errors.js';
import type { Log, LogFields } from '../ports/log.js';
import { printable, printableJson } from './output/printable.js';
import { redact } from './output/redact.js';

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

export interface GlobalOptions {
  readonly json?: boolean;
  readonly envFile?: string;
}

export async function createContext(options: GlobalOptions, interrupt: AbortSignal): Promise<Context> {
  const env = await variables(options.envFile);
  const json = options.json === true;
  const note = (text: string): void => void process.stderr.write(`${printable(redact(text, env))}\n`);
  return {
    env,
    json,
    onTerminal: process.stderr.isTTY && env['TERM'] !== 'dumb',
    interrupt,
    print(text) {
      if (!json) process.stdout.write(`${printable(text)}\n`);
    },
    document(value) {
      if (json) process.stdout.write(`${printableJson(value)}\n`);
    },
    note,
    log: remarks(note, env['DEBUG'] === '1'),
  };
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
