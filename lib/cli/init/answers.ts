import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { type CANCEL_SYMBOL, confirm, isCancel, password, select, text as line } from '@clack/prompts';
import { knownVariables, problemOfValue, type Environment } from '../../app/config.js';
import { findMisspeltVariables } from '../../app/config/names.js';
import { AppError, toAppError } from '../../errors.js';
import { isSecretName, printable } from '../output/redact.js';
import type { Prompter } from '../../setup/model.js';

export interface AnswerOptions {
  /** A JSON file of variables; `-` for the standard input. */
  readonly answers?: string;
  /** NAME=VALUE, of variables that are no secrets. */
  readonly set?: readonly string[];
  /** Take what is set in the environment. */
  readonly fromEnv?: boolean;
}

export interface Answers {
  readonly values: Readonly<Record<string, string>>;
  /** Variables that are to be left out. */
  readonly withheld: ReadonlySet<string>;
}

const TARGET = /^RESTORE_TARGET_[A-Z0-9_]+_REST_(URL|TOKEN)$/;
const fileSchema = z.record(z.string(), z.union([z.string(), z.null()]));

/** What was given beforehand. Throws `usage` for what is no variable, and for values that are none, all at once. */
export async function readAnswers(env: Environment, options: AnswerOptions): Promise<Answers> {
  const known = knownVariables();
  const isKnown = (name: string): boolean => known.has(name) || TARGET.test(name);
  const fromEnv =
    options.fromEnv === true
      ? Object.entries(env).filter(([name, value]) => isKnown(name) && (value ?? '') !== '')
      : [];
  const given = options.answers === undefined ? {} : parse(await readText(options.answers));
  const set = (options.set ?? []).map(assignment);
  const all: Record<string, string | null | undefined> = {
    ...Object.fromEntries(fromEnv),
    ...given,
    ...Object.fromEntries(set),
  };
  const unknown = Object.keys(all).filter((name) => !isKnown(name));
  if (unknown.length > 0) throw unknownNames(unknown, known);
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
      hint: 'Correct them and start again: nothing was written. .env.example explains each variable.',
    });
  }
  return { values, withheld };
}

function assignment(words: string): readonly [string, string] {
  const [, name = '', value = ''] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(words) ?? [];
  if (name === '') {
    throw new AppError('usage', '--set takes NAME=VALUE', { hint: 'Such as --set BACKUP_LABEL=production.' });
  }
  if (!isSecretName(name)) return [name, value];
  throw new AppError('usage', `${name} is a secret, and an argument can be read by every process of this machine`, {
    hint: 'Put it into the file of --answers, or set it as a variable and give --from-env. Change this one: it has been seen.',
  });
}

async function readText(path: string): Promise<string> {
  if (path === '-') return text(process.stdin);
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AppError('usage', `The file ${JSON.stringify(path)} given with --answers cannot be read`, {
      hint: 'Give a JSON file such as {"UPSTASH_REDIS_REST_URL": "https://...", "BACKUP_STORE": "s3://..."}, or - for the standard input.',
      cause,
    });
  });
}

function parse(words: string): Record<string, string | null> {
  let given: unknown;
  try {
    given = JSON.parse(words);
  } catch {
    // The cause is dropped on purpose: it quotes the text.
  }
  const answers = fileSchema.safeParse(given);
  if (answers.success) return answers.data;
  throw new AppError('usage', 'The answers are not one JSON object of texts', {
    hint: 'Write {"NAME": "value", ...}; null leaves a variable out. Numbers go in quotes.',
  });
}

function unknownNames(names: readonly string[], known: ReadonlySet<string>): AppError {
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
  return new AppError('usage', `No variable of this program is called ${words.join(', ')}`, {
    hint: 'Correct the names; .env.example has all of them.',
  });
}

/** Asks on the terminal. What is secret is shown as dots. Ctrl-C, and the end of the input, break everything off. */
export function terminalAsker(interrupt: AbortSignal): Prompter {
  const common = { input: process.stdin, output: process.stderr, signal: interrupt };

  function answered<T>(answer: T | typeof CANCEL_SYMBOL): T {
    if (!isCancel(answer)) return answer;
    if (interrupt.aborted) throw toAppError(interrupt.reason);
    throw new AppError('interrupted', 'The setup was broken off: nothing was written', {
      hint: 'Start it again: npx soulcaster-backup init',
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
        const keeps = present === '' ? (optional ? '; Enter leaves it out' : '') : '; Enter keeps the present one';
        return answered<string>(await password({ ...common, message: words + keeps, validate })).trim();
      }
      const shown =
        present === '' ? (example === undefined ? {} : { placeholder: example }) : { initialValue: present };
      return answered<string>(await line({ ...common, message: words, ...shown, validate })).trim();
    },
    async confirm(words, byDefault) {
      return answered<boolean>(await confirm({ ...common, message: printable(words), initialValue: byDefault }));
    },
    async select(words, options) {
      const shown = options.map(({ hint, label, value }) => ({
        value,
        label: printable(label),
        ...(hint === undefined ? {} : { hint: printable(hint) }),
      }));
      return answered<string>(await select<string>({ ...common, message: printable(words), options: shown }));
    },
  };
}
