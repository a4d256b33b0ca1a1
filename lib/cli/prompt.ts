import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { toAppError } from '../errors.js';
import { printable } from './output/redact.js';

/** Whether a question can be shown and answered on a terminal. */
export function canPrompt(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
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
