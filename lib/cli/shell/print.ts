import type { Command } from 'commander';
import { VERSION } from '../../version.js';
import type { Context } from '../context.js';
import { lineOutput } from '../output/lines.js';
import { commandShapes } from './grammar.js';
import { manPage } from './man-page.js';
import { completionScript, type Shell } from './scripts.js';

/** `completion`: a script for a shell. With --json `{shell, script}`. */
export function printCompletion(context: Context, program: Command, shell: Shell): Promise<number> {
  const script = completionScript(shell, commandShapes(program));
  return printed(context, script, { shell, script });
}

/** `man`: the manual as roff. With --json `{page}`. */
export function printManual(context: Context, program: Command, exitCodes: string): Promise<number> {
  const page = manPage(commandShapes(program), VERSION, exitCodes);
  return printed(context, page, { page });
}

/** Byte for byte: a shell or `man` reads it. */
async function printed(context: Context, text: string, document: object): Promise<number> {
  context.document(document);
  if (!context.json) await lineOutput().writeRaw(Buffer.from(text));
  return 0;
}
