import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import ts from 'typescript';
import { buildProgram } from '../../lib/cli/program.js';

const ROOT = join(import.meta.dirname, '../..');

/** Words that mean several things, or that no other program uses: each has a standard term or a plain sentence instead. */
const RULED_OUT =
  /\b(?:anew|(?:go|goes|went) on|at work|of (?:its|their) own|so many|comes? to|sees? to|takes? down|litter|legs?|(?:un)?seal(?:s|ed|er|ing)?|(?:un)?settl(?:e|es|ed|ing)|suspicious|standings?|judg(?:e|es|ed|ing|ement))\b/gi;

/** Names that are stored or sent, and so stay: fields, phases, options, codes (format version 1). */
const STORED: ReadonlySet<string> = new Set(
  'leg leg- legTtlMs legUntil seal sealed safety-seal settle settling --no-settle clock-suspicious snapshot-suspicious'.split(
    ' ',
  ),
);

/** Functions and variables do not begin with these: they find, read, evaluate, render, report, request. */
const RULED_OUT_VERB = /^(?:look|tell|told|ask|judge)(?:s|ed|ing)?(?:[A-Z]|$)/;

/** Comments, once strings are taken out. */
const COMMENT = /\/\*[^]*?\*\/|(?:\/\/[^\n]*\n?[ \t]*)+/g;
/** Code within text. */
const QUOTED = /`[^`]*`|--no-settle|<[^>]*>/g;

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:ts|tsx|js|md|html)$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

/** The text in one line, so that a phrase is found that goes over a line's end, in a comment as well. */
function flat(text: string): string {
  return text.replace(/\n[ \t]*(?:\*(?!\/)|\/\/|#)?[ \t]*/g, ' ');
}

/** `unsealError` as `unseal Error`; names that are stored are left out. */
function wordsOf(code: string): string {
  return code.replace(/[\w-]+/g, (name) => (STORED.has(name) ? '' : name.replace(/([a-z0-9])([A-Z])/g, '$1 $2')));
}

interface Pieces {
  /** Comments, and strings with a blank in them. */
  readonly prose: string[];
  /** Identifiers, and strings that are names. */
  readonly names: string[];
  /** Names of functions and variables where they are declared. */
  readonly declared: string[];
}

function piecesOf(name: string, text: string): Pieces {
  const kind = name.endsWith('.tsx') ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true, kind);
  const pieces: Pieces = { prose: [], names: [], declared: [] };
  let rest = text;
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) pieces.names.push(node.text);
    else if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      pieces[node.text.includes(' ') ? 'prose' : 'names'].push(node.text);
      rest = rest.slice(0, node.getStart()) + ' '.repeat(node.getWidth()) + rest.slice(node.end);
    } else if (ts.isJsxText(node)) {
      pieces.prose.push(node.text);
      rest = rest.slice(0, node.pos) + ' '.repeat(node.end - node.pos) + rest.slice(node.end);
    }
    if ((ts.isFunctionDeclaration(node) || ts.isVariableDeclaration(node)) && node.name !== undefined) {
      if (ts.isIdentifier(node.name)) pieces.declared.push(node.name.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  pieces.prose.push(...(rest.match(COMMENT) ?? []));
  return pieces;
}

/** Each ruled-out phrase of a text with what stands around it. */
function found(name: string, text: string): string[] {
  const { prose, names, declared } = /\.(?:ts|tsx|js)$/.test(name)
    ? piecesOf(name, text)
    : { prose: [text.replace(/^```[^]*?^```/gm, '')], names: [], declared: [] };
  const plain = [...prose.map((part) => flat(part).replace(QUOTED, '')), ...names.map(wordsOf)].join(' ; ');
  return [
    ...[...plain.matchAll(RULED_OUT)].map(
      ({ index, 0: phrase }) => `${name}: ${plain.slice(Math.max(0, index - 40), index + phrase.length + 40)}`,
    ),
    ...declared.filter((each) => RULED_OUT_VERB.test(each)).map((each) => `${name}: ${each}`),
  ];
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
    expect(found('lib/x.ts', "throw new AppError('damaged', 'The seal is wrong');")).toHaveLength(1);
    expect(found('lib/x.ts', 'const { seal } = manifest;\nfunction checkSeal() {}')).toHaveLength(1);
    expect(found('lib/x.ts', 'function tellOperator() {}')).toHaveLength(1);
    expect(found('lib/x.ts', 'const task = askedOf(run);')).toEqual([]);
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
