import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { createInterface } from 'node:readline/promises';
import { AppError, toAppError } from '../../errors.js';
import type { Context } from '../context.js';
import { canPrompt } from '../prompt.js';

export interface SecretOptions {
  readonly valueStdin?: boolean;
  readonly valueEnv?: string;
  readonly oldValueStdin?: boolean;
  readonly oldValueEnv?: string;
}

export interface Secrets {
  readonly value: string;
  /** The present value, as the caller knows it. */
  readonly old: string | null;
}

/**
 * The new value, and the present one where it is given: from variables, from lines of the standard input (the new one
 * first), or typed without being shown. Never from an argument, which every process of the machine could read.
 */
export async function readSecrets(context: Context, what: string, options: SecretOptions): Promise<Secrets> {
  const lines = options.valueStdin === true || options.oldValueStdin === true ? await linesOfInput() : [];
  const value = await valueOf(context, what, options, lines);
  const old =
    options.oldValueStdin === true
      ? lines.shift()
      : options.oldValueEnv === undefined
        ? null
        : variable(context, options.oldValueEnv);
  if (old === undefined) throw missing('the present value');
  if (lines.length > 0) throw tooMuch();
  return { value: checked(value, 'new'), old: old === null ? null : checked(old, 'present') };
}

async function valueOf(context: Context, what: string, options: SecretOptions, lines: string[]): Promise<string> {
  if (options.valueEnv !== undefined) return variable(context, options.valueEnv);
  if (options.valueStdin !== true) {
    // What came through a pipe was for the present value alone: then nobody is at the terminal.
    if (options.oldValueStdin === true || !canPrompt()) throw nobodyThere();
    return promptHidden(`${what}, which is not shown: `, context.interrupt);
  }
  const first = lines.shift();
  if (first === undefined) throw missing('the new value');
  return first;
}

async function linesOfInput(): Promise<string[]> {
  const lines = (await text(process.stdin)).split(/\r?\n/);
  return lines.map((line) => line.trim()).filter((line) => line !== '');
}

function variable({ env }: Context, name: string): string {
  const value = env[name] ?? '';
  if (value !== '') return value;
  throw new AppError('usage', `The variable ${JSON.stringify(name.slice(0, 60))} is not set, or is empty`, {
    hint: 'Give the name of the variable that holds the value, not the value itself.',
  });
}

async function promptHidden(question: string, interrupt: AbortSignal): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: silent, terminal: true });
  // Not before the terminal has ceased to show what is typed: whoever pastes at once would see it.
  process.stderr.write(question);
  // With a terminal's raw mode Ctrl-C is a key, and no signal.
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

/** What a header, and so the service itself, would take. */
function checked(value: string, which: string): string {
  if (/^[\x21-\x7e]{1,4096}$/.test(value)) return value;
  throw new AppError('usage', `The ${which} value is empty, or has spaces or other signs in it that none has`, {
    hint: 'Copy it again, without quotes.',
  });
}

function missing(what: string): AppError {
  return new AppError('usage', `The standard input does not hold ${what}`, {
    hint: 'One value a line: the new one first, then, with --old-value-stdin, the present one.',
  });
}

function tooMuch(): AppError {
  return new AppError('usage', 'The standard input holds more lines than there are values to read', {
    hint: 'One value a line: the new one first, then, with --old-value-stdin, the present one.',
  });
}

function nobodyThere(): AppError {
  return new AppError('usage', 'There is nobody to ask for the new value: this is no terminal', {
    hint: 'Give it with --value-stdin or --value-env NAME.',
  });
}
