import type { Command } from 'commander';
import { VERSION } from '../../version.js';
import type { Context } from '../context.js';
import { lineOutput } from '../output/lines.js';
import { commandShapes, type CommandShape } from './grammar.js';
import { completionScript, type Shell } from './scripts.js';

/** `completion`: prints a shell script. With --json `{shell, script}`. */
export function printCompletion(context: Context, program: Command, shell: Shell): Promise<number> {
  const script = completionScript(shell, commandShapes(program));
  return printText(context, script, { shell, script });
}

/** `man`: prints the manual as roff. With --json `{page}`. */
export function printManual(context: Context, program: Command, exitCodes: string): Promise<number> {
  const page = manPage(commandShapes(program), VERSION, exitCodes);
  return printText(context, page, { page });
}

/** Prints unescaped text, for a shell or `man`. */
async function printText(context: Context, text: string, document: object): Promise<number> {
  context.document(document);
  if (!context.json) await lineOutput().writeRaw(Buffer.from(text));
  return 0;
}

const PROGRAM = 'soulcaster-backup';

/** The manual as roff: `man -l` shows it. */
export function manPage(shapes: readonly CommandShape[], version: string, exitCodes: string): string {
  const [program, ...commands] = shapes;
  return [
    `.TH SOULCASTER-BACKUP 1 "" ${quoted(`${PROGRAM} ${version}`)}`,
    '.SH NAME',
    `${roff(PROGRAM)} \\- ${roff(program?.description ?? '')}`,
    '.SH SYNOPSIS',
    `.B ${roff(PROGRAM)}`,
    roff(program?.usage ?? ''),
    '.SH OPTIONS',
    ...optionsOf(program),
    '.SH COMMANDS',
    ...commands.flatMap(commandSection),
    '.SH EXIT STATUS',
    roff(exitCodes),
    '.SH ENVIRONMENT',
    roff('The configuration is in environment variables, or in the file of --env-file; .env.example explains each.'),
    '',
  ].join('\n');
}

function commandSection(shape: CommandShape): string[] {
  const { arguments: args, commands, description, path, usage } = shape;
  return [
    `.SS ${quoted(`${path.join(' ')} ${usage}`.trim())}`,
    roff(description),
    ...args
      .filter(({ description: words }) => words !== '')
      .flatMap(({ choices, description: words, name }) => [
        '.TP',
        `.I ${roff(name)}`,
        roff(choices.length === 0 ? words : `${words} (${choices.join(', ')})`),
      ]),
    ...optionsOf(shape),
    ...(commands.length === 0 ? [] : ['.PP', roff(`Commands: ${commands.map(({ name }) => name).join(', ')}.`)]),
  ];
}

function optionsOf(shape: CommandShape | undefined): string[] {
  return (shape?.options ?? []).flatMap(({ choices, description, flags }) => [
    '.TP',
    `.B ${roff(flags)}`,
    roff(choices.length === 0 ? description : `${description} (${choices.join(', ')})`),
  ]);
}

/** Escapes a line of text for roff: no requests or escapes, and hyphens stay hyphens. */
function roff(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').replaceAll('\\', '\\e').replaceAll('-', '\\-');
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

function quoted(text: string): string {
  return `"${roff(text).replaceAll('"', '""')}"`;
}
