import type { Command, Option } from 'commander';

/** A command, for completion and the manual. */
export interface CommandShape {
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

export interface OptionShape {
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
