import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { buildProgram } from '../../lib/cli/program.js';

const ROOT = join(import.meta.dirname, '../..');

/** Words that mean several things, or that no other program uses: each has a standard term or a plain sentence in its place. */
const RULED_OUT = /\b(?:anew|goes on|at work|of its own|so many|comes to|sees? to|litter|legs?)\b/gi;

/** What the words are allowed for, by where and why. It is taken out of the text before the words are searched. */
const EXCEPTIONS = [
  {
    files: /^lib\/runs\//,
    text: /[.'{$,;*] ?leg\b|\bleg(?=[:,'-])/g,
    why: 'field of run records, leases and queue messages, which are stored (format version 1)',
  },
  { files: /\.md$/, text: /`leg`|"leg"/g, why: 'the same, where its format is documented' },
];

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:ts|tsx|js|md|html)$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

/** The text in one line, so that a phrase is found that goes over a line's end, in a comment as well. */
function flat(text: string): string {
  return text.replace(/\n[ \t]*(?:\*(?!\/)|\/\/|#)?[ \t]*/g, ' ');
}

/** Each ruled-out phrase of a text with what stands around it. */
function found(name: string, text: string): string[] {
  const plain = EXCEPTIONS.filter(({ files }) => files.test(name)).reduce(
    (left, exception) => left.replace(exception.text, ''),
    flat(text),
  );
  return [...plain.matchAll(RULED_OUT)].map(
    ({ index, 0: phrase }) => `${name}: ${plain.slice(Math.max(0, index - 40), index + phrase.length + 40)}`,
  );
}

/** The help of a command and of those below it, as it is printed. */
function helpOf(command: Command): string {
  let printed = '';
  command.configureOutput({ writeOut: (text) => (printed += text) });
  command.outputHelp();
  return [printed, ...command.commands.map(helpOf)].join('\n');
}

describe('words that are ruled out', () => {
  it('are found where they stand, over a line end too, but for names that are stored', () => {
    expect(found('lib/x.ts', '// a part of\n// its own')).toHaveLength(1);
    expect(found('docs/x.md', 'The second leg goes on.')).toHaveLength(2);
    expect(found('docs/x.md', 'A lease has `holder` and `leg`.')).toEqual([]);
    expect(found('lib/runs/x.ts', 'const { leg } = run; // of this leg')).toHaveLength(1);
    expect(found('lib/cli/x.ts', 'run.leg')).toHaveLength(1);
  });

  it('stand nowhere in lib, page and the documents', () => {
    const files = [
      'README.md',
      'ARCHITECTURE.md',
      '.env.example',
      ...['lib', 'page', 'api', 'docs'].flatMap(filesUnder),
    ];
    expect(files.length).toBeGreaterThan(400);
    expect(files.flatMap((name) => found(name, readFileSync(join(ROOT, name), 'utf8')))).toEqual([]);
  });

  it('stand in no help text', () => {
    const help = helpOf(buildProgram(() => Promise.resolve()));
    expect(help).toContain('rebuild the vector index from Redis');
    expect(found('help', help)).toEqual([]);
  });
});
