import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { toAppError } from '../errors.js';
import { printable } from './output/redact.js';

/** Whether somebody is there who sees a question and can answer it. */
export function canPrompt(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/**
 * The line that somebody types, without the space around it; empty when the input ends. Throws the reason of
 * `interrupt`, which Ctrl-C aborts: the terminal is left in its ordinary mode.
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
