import type { CommandShape, OptionShape } from './grammar.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

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
