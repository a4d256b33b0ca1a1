import type { Command, Option } from 'commander';
import { VERSION } from '../version.js';
import type { Context } from './context.js';
import { lineOutput } from './output/text.js';

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

/** The manual as roff: `man -l` shows it. */
export function manPage(shapes: readonly CommandShape[], version: string, exitCodes: string): string {
  const [program, ...commands] = shapes;
  return [
    `.TH SOULCASTER-BACKUP 1 "" ${roffQuoted(`${PROGRAM} ${version}`)}`,
    '.SH NAME',
    `${roff(PROGRAM)} \\- ${roff(program?.description ?? '')}`,
    '.SH SYNOPSIS',
    `.B ${roff(PROGRAM)}`,
    roff(program?.usage ?? ''),
    '.SH OPTIONS',
    ...optionLines(program),
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
    `.SS ${roffQuoted(`${path.join(' ')} ${usage}`.trim())}`,
    roff(description),
    ...args
      .filter(({ description: words }) => words !== '')
      .flatMap(({ choices, description: words, name }) => [
        '.TP',
        `.I ${roff(name)}`,
        roff(choices.length === 0 ? words : `${words} (${choices.join(', ')})`),
      ]),
    ...optionLines(shape),
    ...(commands.length === 0 ? [] : ['.PP', roff(`Commands: ${commands.map(({ name }) => name).join(', ')}.`)]),
  ];
}

function optionLines(shape: CommandShape | undefined): string[] {
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

function roffQuoted(text: string): string {
  return `"${roff(text).replaceAll('"', '""')}"`;
}

type Shell = 'bash' | 'zsh' | 'fish';

const PROGRAM = 'soulcaster-backup';
const FUNCTION = '_soulcaster_backup';

/** A shell script that completes the program's commands, options and fixed values, without starting the program. */
export function completionScript(shell: Shell, shapes: readonly CommandShape[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(shapes);
    case 'zsh':
      return `autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(shapes)}`;
    case 'fish':
      return fishScript(shapes);
  }
}

/** The options of a command, and the global options, which are accepted anywhere. */
function optionsOf(shape: CommandShape, [program]: readonly CommandShape[]): readonly OptionShape[] {
  const own = new Set(shape.options.flatMap(({ names }) => names));
  const global = shape === program ? [] : (program?.options ?? []);
  return [...shape.options, ...global.filter(({ names }) => names.every((name) => !own.has(name) && name !== '-V'))];
}

/** Finds the command word by word; words that are not commands, such as ids, are ignored. */
function bashScript(shapes: readonly CommandShape[]): string {
  const moves = shapes
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => {
      const before = path.slice(0, -1).join(' ');
      return `      ${quoted(`${before}|${path.at(-1) ?? ''}`)}) path=${quoted(path.join(' '))} ;;`;
    });
  const values = shapes.flatMap((shape) =>
    optionsOf(shape, shapes)
      .filter(({ value }) => value !== null)
      .flatMap(({ choices, names, value }) => {
        const reply = value === 'file' ? 'compgen -f' : `compgen -W ${quoted(choices.join(' '))}`;
        return names.map(
          (name) => `    ${quoted(`${shape.path.join(' ')}|${name}`)}) COMPREPLY=($(${reply} -- "$cur")); return ;;`,
        );
      }),
  );
  const words = shapes.map((shape) => {
    const all = [
      ...shape.commands.map(({ name }) => name),
      ...shape.arguments.flatMap(({ choices }) => choices),
      ...optionsOf(shape, shapes).flatMap(({ names }) => names.filter((name) => name.startsWith('--'))),
    ];
    return `    ${quoted(shape.path.join(' '))}) words=${quoted(all.join(' '))} ;;`;
  });
  return [
    `${FUNCTION}() {`,
    '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" path="" words="" at',
    '  for ((at = 1; at < COMP_CWORD; at++)); do',
    '    case "$path|${COMP_WORDS[at]}" in',
    ...moves,
    '    esac',
    '  done',
    '  case "$path|$prev" in',
    ...values,
    '  esac',
    '  case "$path" in',
    ...words,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    '}',
    `complete -F ${FUNCTION} ${PROGRAM}`,
    '',
  ].join('\n');
}

function fishScript(shapes: readonly CommandShape[]): string {
  const lines = [`complete -c ${PROGRAM} -f`];
  for (const shape of shapes) {
    const condition = fishCondition(shape, shapes);
    const start = `complete -c ${PROGRAM} -n ${quoted(condition)}`;
    for (const { description, name } of shape.commands)
      lines.push(`${start} -a ${quoted(name)} -d ${quoted(description)}`);
    for (const { choices } of shape.arguments)
      if (choices.length > 0) lines.push(`${start} -a ${quoted(choices.join(' '))}`);
    for (const option of shape.options)
      lines.push(fishOption(shape.path.length === 0 ? `complete -c ${PROGRAM}` : start, option));
  }
  return `${lines.join('\n')}\n`;
}

/** True when all words of the path were given, and no subcommand. */
function fishCondition({ commands, path }: CommandShape, [program]: readonly CommandShape[]): string {
  if (path.length === 0) return '__fish_use_subcommand';
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  // `list` and `show` are commands both of the program and of a group.
  const first =
    path.length === 1 ? (program?.commands ?? []).map(({ name }) => name).filter((name) => name !== path[0]) : [];
  const not = [...new Set([...commands.map(({ name }) => name), ...first])];
  return [...seen, ...(not.length === 0 ? [] : [`not __fish_seen_subcommand_from ${not.join(' ')}`])].join('; and ');
}

function fishOption(start: string, { choices, description, names, value }: OptionShape): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(' ');
  const takes =
    value === null
      ? ''
      : value === 'file'
        ? ' -r -F'
        : choices.length > 0
          ? ` -x -a ${quoted(choices.join(' '))}`
          : ' -x';
  return `${start} ${flags}${takes} -d ${quoted(description)}`;
}

/** Quotes a word for bash and fish: within single quotes only `'` and, in fish, `\` are special. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '/').replaceAll("'", '’')}'`;
}

/** A command, for completion and the manual. */
interface CommandShape {
  /** The words of the command, without the program's name; empty for the program itself. */
  readonly path: readonly string[];
  readonly description: string;
  /** `<id> [options]` */
  readonly usage: string;
  readonly arguments: readonly {
    readonly name: string;
    readonly description: string;
    readonly choices: readonly string[];
  }[];
  readonly options: readonly OptionShape[];
  readonly commands: readonly { readonly name: string; readonly description: string }[];
}

interface OptionShape {
  readonly flags: string;
  /** All spellings, such as `--long` and `-l`. */
  readonly names: readonly string[];
  readonly description: string;
  /** The kind of its value; null for none. */
  readonly value: 'any' | 'file' | null;
  readonly choices: readonly string[];
}

/** The program and all visible commands, in the order of the help. */
export function commandShapes(program: Command): CommandShape[] {
  return shapesFrom(program, []);
}

function shapesFrom(command: Command, path: readonly string[]): CommandShape[] {
  const help = command.createHelp();
  const visible = help.visibleCommands(command).filter((each) => each.name() !== 'help');
  const shape: CommandShape = {
    path,
    description: command.description(),
    usage: command.usage(),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      description: argument.description,
      choices: argument.argChoices ?? [],
    })),
    options: help.visibleOptions(command).map(optionShape),
    commands: visible.map((each) => ({ name: each.name(), description: each.description() })),
  };
  return [shape, ...visible.flatMap((each) => shapesFrom(each, [...path, each.name()]))];
}

function optionShape(option: Option): OptionShape {
  const takesValue = option.required || option.optional;
  return {
    flags: option.flags,
    names: [option.long, option.short].filter((name) => name !== undefined),
    description: option.description,
    value: takesValue ? (/[<[](file|path|folder)/.test(option.flags) ? 'file' : 'any') : null,
    choices: option.argChoices ?? [],
  };
}
