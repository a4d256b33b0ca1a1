import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { type CANCEL_SYMBOL, confirm, isCancel, password, select, text as line } from '@clack/prompts';
import { isTargetVariable, knownVariables, problemOfValue, type Environment } from '../../app/config.js';
import { findMisspeltVariables } from '../../app/config/names.js';
import { AppError, toAppError } from '../../errors.js';
import { isSecretName, printable } from '../output/text.js';
import type { Prompter } from '../../setup/model.js';

export interface AnswerOptions {
  /** A JSON file of variables; `-` for the standard input. */
  readonly answers?: string;
  /** NAME=VALUE, for variables that are not secret. */
  readonly set?: readonly string[];
  /** Take variables from the environment. */
  readonly fromEnv?: boolean;
}

export interface Answers {
  readonly values: Readonly<Record<string, string>>;
  /** Variables to leave out. */
  readonly withheld: ReadonlySet<string>;
}

const fileSchema = z.record(z.string(), z.union([z.string(), z.null()]));

/** Reads the answers given as options. Throws one `usage` error that names all unknown variables, or all invalid values. */
export async function readAnswers(env: Environment, options: AnswerOptions): Promise<Answers> {
  const known = knownVariables();
  const isKnown = (name: string): boolean => known.has(name) || isTargetVariable(name);
  const fromEnv =
    options.fromEnv === true
      ? Object.entries(env).filter(([name, value]) => isKnown(name) && (value ?? '') !== '')
      : [];
  const given = options.answers === undefined ? {} : parseAnswers(await readAnswerText(options.answers));
  const set = (options.set ?? []).map(parseAssignment);
  const all: Record<string, string | null | undefined> = {
    ...Object.fromEntries(fromEnv),
    ...given,
    ...Object.fromEntries(set),
  };
  const unknown = Object.keys(all).filter((name) => !isKnown(name));
  if (unknown.length > 0) throw unknownVariablesError(unknown, known);
  const values: Record<string, string> = {};
  const withheld = new Set<string>();
  const problems: string[] = [];
  for (const [name, value] of Object.entries(all)) {
    if ((value ?? '') === '') {
      withheld.add(name);
      continue;
    }
    const problem = problemOfValue(name, value ?? '');
    if (problem !== null) problems.push(`${name} ${problem}`);
    values[name] = value ?? '';
  }
  if (problems.length > 0) {
    throw new AppError('usage', `Some answers cannot be used: ${problems.join('; ')}`, {
      hint: 'Correct them and run the command again: nothing was written. .env.example explains each variable.',
    });
  }
  return { values, withheld };
}

function parseAssignment(argument: string): readonly [string, string] {
  const [, name = '', value = ''] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(argument) ?? [];
  if (name === '') {
    throw new AppError('usage', '--set takes NAME=VALUE', { hint: 'For example: --set BACKUP_LABEL=production.' });
  }
  if (!isSecretName(name)) return [name, value];
  throw new AppError('usage', `${name} is a secret, and every process on this machine can read arguments`, {
    hint: 'Put it in the file of --answers, or set it as a variable and give --from-env. Replace this secret: it may have been read.',
  });
}

async function readAnswerText(path: string): Promise<string> {
  if (path === '-') return text(process.stdin);
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AppError('usage', `The file ${JSON.stringify(path)} given with --answers cannot be read`, {
      hint: 'Give a JSON file such as {"UPSTASH_REDIS_REST_URL": "https://...", "BACKUP_STORE": "s3://..."}, or - for the standard input.',
      cause,
    });
  });
}

function parseAnswers(json: string): Record<string, string | null> {
  let given: unknown;
  try {
    given = JSON.parse(json);
  } catch {
    // The cause is not kept: it quotes the text, which may hold secrets.
  }
  const answers = fileSchema.safeParse(given);
  if (answers.success) return answers.data;
  throw new AppError('usage', 'The answers are not a JSON object of strings', {
    hint: 'Write {"NAME": "value", ...}; null leaves a variable out. Put numbers in quotes.',
  });
}

function unknownVariablesError(names: readonly string[], known: ReadonlySet<string>): AppError {
  const meant = new Map(
    findMisspeltVariables(Object.fromEntries(names.map((name) => [name, 'x'])), known).map(({ name, meant: near }) => [
      name,
      near,
    ]),
  );
  const words = names.map((name) => {
    const near = meant.get(name) ?? null;
    return JSON.stringify(name.slice(0, 60)) + (near === null ? '' : ` (${near}?)`);
  });
  return new AppError('usage', `Unknown variables: ${words.join(', ')}`, {
    hint: 'Correct the names; .env.example lists all of them.',
  });
}

/** Asks on the terminal, showing secrets as dots. Ctrl-C, and the end of the input, cancel the setup. */
export function terminalPrompter(interrupt: AbortSignal): Prompter {
  const common = { input: process.stdin, output: process.stderr, signal: interrupt };

  function unwrapAnswer<T>(answer: T | typeof CANCEL_SYMBOL): T {
    if (!isCancel(answer)) return answer;
    if (interrupt.aborted) throw toAppError(interrupt.reason);
    throw new AppError('interrupted', 'The setup was cancelled: nothing was written', {
      hint: 'Run it again: npx soulcaster-backup init',
    });
  }

  return {
    async text({ example, label, optional = false, secret = false, variable }, present, problem) {
      const words = printable(`${label} (${variable})`);
      const validate = (given: string | undefined): string | undefined => {
        const found = problem((given ?? '').trim());
        return found === null ? undefined : printable(`${variable} ${found}`);
      };
      if (secret) {
        const onEnter = present === '' ? (optional ? '; Enter leaves it out' : '') : '; Enter keeps the present value';
        return unwrapAnswer<string>(await password({ ...common, message: words + onEnter, validate })).trim();
      }
      const shown =
        present === '' ? (example === undefined ? {} : { placeholder: example }) : { initialValue: present };
      return unwrapAnswer<string>(await line({ ...common, message: words, ...shown, validate })).trim();
    },
    async confirm(words, byDefault) {
      return unwrapAnswer<boolean>(await confirm({ ...common, message: printable(words), initialValue: byDefault }));
    },
    async select(words, options) {
      const shown = options.map(({ hint, label, value }) => ({
        value,
        label: printable(label),
        ...(hint === undefined ? {} : { hint: printable(hint) }),
      }));
      return unwrapAnswer<string>(await select<string>({ ...common, message: printable(words), options: shown }));
    },
  };
}
