import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Command, Option } from 'commander';
import { buildProgram } from '../../lib/cli/program.js';

const ROOT = join(import.meta.dirname, '../..');
const FILES = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => join('docs', name))].filter((name) =>
  name.endsWith('.md'),
);

/** Every command of this program in a block that can be pasted, by words. */
function pasted(file: string): string[][] {
  const blocks = readFileSync(join(ROOT, file), 'utf8').match(/```sh\n[\s\S]*?```/g) ?? [];
  const lines = blocks.flatMap((block) => block.split('\n'));
  return lines.flatMap((line) => {
    const [, rest = ''] = /(?:^|[;&|(] *)npx soulcaster-backup ([^#|>;&]*)/.exec(line) ?? [];
    return rest === '' ? [] : [rest.trim().match(/"[^"]*"|'[^']*'|\S+/g) ?? []];
  });
}

const takesValue = ({ required, optional }: Option): boolean => required || optional;

/** What of the words this program does not know; null when nothing. */
function unknownIn(words: readonly string[]): string | null {
  const program = buildProgram(() => Promise.resolve());
  let command: Command = program;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word.startsWith('--')) {
      const option = [...command.options, ...program.options].find(({ long }) => long === word.split('=')[0]);
      if (option === undefined) return word;
      if (takesValue(option) && !word.includes('=')) at++;
      continue;
    }
    const inner = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (inner !== undefined) command = inner;
    else if (command.registeredArguments.length === 0) return word;
  }
  return command === program ? 'no command' : null;
}

describe('the commands of the documentation', () => {
  it('are found', () => {
    expect(pasted('docs/deploy.md').length).toBeGreaterThan(15);
    expect([unknownIn(['init', '--none']), unknownIn(['none'])]).toEqual(['--none', 'none']);
  });

  it.each(FILES)('exist with their options: %s', (file) => {
    const wrong = pasted(file).flatMap((words) => {
      const unknown = unknownIn(words);
      return unknown === null ? [] : [`${words.join(' ')}: ${unknown}`];
    });
    expect(wrong).toEqual([]);
  });
});
