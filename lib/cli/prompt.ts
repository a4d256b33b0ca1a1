import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { AppError, toAppError } from '../errors.js';
import { printable } from './output/text.js';

/** Whether a question can be shown and answered on a terminal. */
export function canPrompt(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** What to do without a terminal. */
export const DRY_RUN_FIRST = 'See what would be done with --dry-run, then give --yes.';

/** Throws `usage` if a change cannot be confirmed. */
export function assertCanPrompt(hint: string): void {
  if (canPrompt()) return;
  throw new AppError('usage', 'The change cannot be confirmed: this is not a terminal', { hint });
}

/** Asks for a text to be typed. Throws `not-confirmed` on any other answer. */
export async function confirmTyped(
  { interrupt }: { readonly interrupt: AbortSignal },
  question: string,
  expected = 'yes',
  hint = 'Run the command again when you are sure.',
): Promise<void> {
  if ((await prompt(question, interrupt)) === expected) return;
  throw new AppError('not-confirmed', `Nothing was changed: the answer was not ${expected}`, { hint });
}

/**
 * Asks a question and returns the typed line, trimmed; empty when the input ends. Throws the reason of `interrupt` on Ctrl-C,
 * and leaves the terminal in its normal mode.
 */
export async function prompt(question: string, interrupt: AbortSignal): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  const ended = once(reader, 'close').then(() => '');
  try {
    return (await Promise.race([reader.question(printable(question), { signal: interrupt }), ended])).trim();
  } catch (error) {
    throw interrupt.aborted ? toAppError(interrupt.reason) : error;
  } finally {
    reader.close();
  }
}
