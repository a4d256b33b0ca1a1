import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Command, Option } from 'commander';
import { buildProgram } from '../../lib/cli/program.js';

const ROOT = join(import.meta.dirname, '../..');
const NOTES = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('README.md'))
  .map((name) => join('lib', name));

/** Source files, and folders, that a document names in code font. Patterns such as `program*.ts` name none. */
function pathsIn(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8').replace(/```[\s\S]*?```/g, '');
  return [...text.matchAll(/`((?:[\w.-]+\/)*(?:\w[\w.-]*\.(?:ts|tsx|sh)|[\w.-]+\/))`/g)].map(([, path = '']) => path);
}

/** Paths that lead nowhere: neither from the root nor from the document's folder. */
function lost(file: string): string[] {
  return pathsIn(file).filter((path) => !existsSync(join(ROOT, path)) && !existsSync(join(ROOT, dirname(file), path)));
}

describe('the files that the documents name', () => {
  it('are found in ARCHITECTURE.md, each from the root', () => {
    expect(pathsIn('ARCHITECTURE.md').length).toBeGreaterThan(60);
    expect(pathsIn('ARCHITECTURE.md').filter((path) => /^(?:lib|api|dev|page|tests)\//.test(path))).toEqual(
      pathsIn('ARCHITECTURE.md'),
    );
  });

  it.each(['ARCHITECTURE.md', 'docs/decisions.md', ...NOTES])('exist: %s', (file) => {
    expect(lost(file)).toEqual([]);
  });
});

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

/** Commands that need no env file, or write one. */
const WITHOUT_ENV_FILE = ['init', 'keygen', 'dev', '--help', 'COMMAND'];

/** Every command that a message names, by words; variable parts are X. Help says how to start the program once. */
function inMessages(): { readonly file: string; readonly npx: boolean; readonly words: string[] }[] {
  const files = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !/^cli\/(program|shell)|task-endpoint/.test(file),
  );
  return files.flatMap((file) => {
    const text = readFileSync(join(ROOT, 'lib', file), 'utf8').replace(/\/\*[^]*?\*\/|^ *\/\/.*$/gm, '');
    const code = text.replaceAll(/\$\{[^{}]*\}/g, 'X');
    const found = code.matchAll(/(npx )?soulcaster-backup ([^`'\\\n]+)/g);
    return [...found].flatMap(({ 0: all, 1: npx, 2: rest = '', index }) => {
      // A beginning, to which a function adds options.
      if (code.startsWith("', ", index + all.length)) return [];
      const words =
        rest
          .replace(/([a-z])X+/g, '$1')
          .replace('forget-X', 'forget-user')
          .trim()
          .match(/"[^"]*"|\S+/g) ?? [];
      return words[0] === 'X' ? [] : [{ file, npx: npx !== undefined, words }];
    });
  });
}

describe('the commands in messages', () => {
  const names = new Set(buildProgram(() => Promise.resolve()).commands.map((command) => command.name()));
  const commands = inMessages().filter(
    ({ npx, words: [first = ''] }) => npx || names.has(first) || /^(-|COMMAND$)/.test(first),
  );

  it('can be pasted: with npx, known options and the env file', () => {
    expect(commands.length).toBeGreaterThan(80);
    const wrong = commands.filter(({ npx, words }) => {
      const isComplete = words.includes('--env-file') || WITHOUT_ENV_FILE.includes(words[0] ?? '');
      return !npx || !isComplete || (!WITHOUT_ENV_FILE.includes(words[0] ?? '') && unknownIn(words) !== null);
    });
    expect(wrong.map(({ file, words }) => `${file}: ${words.join(' ')}`)).toEqual([]);
  });
});

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

const TEXT = readFileSync(join(ROOT, 'docs/decisions.md'), 'utf8');
const SUBJECTS = TEXT.split('\n## ').slice(1);

describe('docs/decisions.md', () => {
  it('names each subject in its index', () => {
    const index = [...TEXT.matchAll(/^- \[(.+)\]\(#/gm)].map(([, name]) => name);
    expect(SUBJECTS.map((subject) => subject.split('\n')[0])).toEqual(index);
  });

  it('has dated records of context, decision and consequence alone', () => {
    const records = SUBJECTS.flatMap((subject) => subject.split('\n### ').slice(1));
    expect(records.length).toBeGreaterThan(50);
    const form =
      /^[^\n]+\n\n_\d{4}-\d\d(?:-\d\d)?_ \*\*Context\.\*\*\s[^]+\*\*Decision\.\*\*\s[^]+\*\*Consequence\.\*\*\s[^]+$/;
    const others = records.filter((record) => !form.test(record) || record.trim().split('\n\n').length > 2);
    expect(others).toEqual([]);
  });
});

describe('the programs of the tests', () => {
  const programs = readdirSync(join(ROOT, 'tests'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => join('tests', name));
  /** Each name that a program imports of a built file, as `dev/data/write.ts createCommand`. */
  const imported = programs.flatMap((file) =>
    [
      ...readFileSync(join(ROOT, file), 'utf8').matchAll(
        /import \{([^}]+)\} from '[./]*\/dist\/((?:lib|dev)\/[^']+)\.js'/g,
      ),
    ].flatMap(([, names = '', path = '']) => names.split(',').map((name) => `${path}.ts ${name.trim()}`)),
  );

  it('import what the sources export', () => {
    expect(imported.length).toBeGreaterThan(20);
    const lost = imported.filter((one) => {
      const [path = '', name = ''] = one.split(' ');
      if (!existsSync(join(ROOT, path))) return true;
      return !new RegExp(`^export .*\\b${name}\\b`, 'm').test(readFileSync(join(ROOT, path), 'utf8'));
    });
    expect(lost).toEqual([]);
  });
});
