import { AppError } from '../../errors.js';

const LINE_END = /\r\n|\n|\r/;
const NAME = /^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=/;

/**
 * Reads an env file: `NAME=value` lines, with or without `export`, quotes or comments, as shells, dotenv and `vercel env
 * pull` write them; UTF-8 with or without a byte order mark, any line ends. Throws `config`, with line and name, for ambiguous
 * lines: the variable that would be lost could be the one that turns on encryption.
 */
export function parseEnvFile(bytes: Uint8Array): Record<string, string> {
  const found = new Map<string, EnvEntry>();
  for (const entry of parseEntries(bytes)) {
    const earlier = found.get(entry.name);
    if (earlier !== undefined && earlier.value !== entry.value) {
      throw envFileError(entry.name, `is set twice, differently, in lines ${earlier.line} and ${entry.line}`);
    }
    found.set(entry.name, entry);
  }
  return Object.fromEntries([...found].map(([name, { value }]) => [name, value]));
}

/** One variable of an env file. */
interface EnvEntry {
  readonly name: string;
  readonly value: string;
  /** Its first and its last line, counted from 1. */
  readonly line: number;
  readonly last: number;
}

/** The variables of an env file in order, including repeated ones. Throws `config`. */
function parseEntries(bytes: Uint8Array): EnvEntry[] {
  const lines = decodeText(bytes).split(LINE_END);
  const entries: EnvEntry[] = [];
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1;
    const text = (lines[index] ?? '').replace(/^[ \t]+/, '');
    if (text === '' || text.startsWith('#')) continue;
    const match = NAME.exec(text);
    const name = match?.[1];
    if (match === null || name === undefined) throw envFileError(`Line ${line}`, 'is not NAME=value');
    const rest = text.slice(match[0].length);
    const [opening, quote] = /^[ \t]*(["'`])/.exec(rest) ?? [];
    const read =
      opening === undefined || quote === undefined
        ? readUnquoted(rest)
        : readQuoted(lines, index, rest.slice(opening.length), quote);
    if ('problem' in read) throw envFileError(`${name} in line ${line}`, read.problem);
    index = read.last ?? index;
    entries.push({ name, value: read.value, line, last: index + 1 });
  }
  return entries;
}

type ReadValue = { readonly value: string; readonly last?: number } | { readonly problem: string };

/** Reads a value without quotes: up to the end of the line, or to a space followed by #. */
function readUnquoted(rest: string): ReadValue {
  const value = rest.replace(/[ \t]+#.*$/, '').replace(/^[ \t]+|[ \t]+$/g, '');
  if (!value.includes('#')) return { value };
  return { problem: 'has a # in its value: put the value in quotes, or a space before the comment' };
}

/** Reads a quoted value, which may span lines. Double quotes may contain \n and \r, as `vercel env pull` writes them. */
function readQuoted(lines: readonly string[], index: number, rest: string, quote: string): ReadValue {
  let text = rest;
  let last = index;
  while (!text.includes(quote)) {
    last++;
    const next = lines[last];
    if (next === undefined) return { problem: 'has a quote that is not closed' };
    text += `\n${next}`;
  }
  const end = text.indexOf(quote);
  if (!/^[ \t]*([ \t]#.*)?$/.test(text.slice(end + 1))) {
    return { problem: 'has text after its closing quote, or a quote within its value' };
  }
  const inside = text.slice(0, end);
  const value = quote === '"' ? inside.replaceAll('\\n', '\n').replaceAll('\\r', '\r') : inside;
  return { value, last };
}

function decodeText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw envFileError('The file', 'is UTF-16: save it as UTF-8');
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw envFileError('The file', 'is not UTF-8: save it as UTF-8');
  }
  const nul = text.indexOf('\0');
  if (nul < 0) return text;
  throw envFileError(`Line ${text.slice(0, nul).split(LINE_END).length}`, 'contains a NUL character');
}

function envFileError(what: string, problem: string): AppError {
  return new AppError('config', `The file given with --env-file: ${what} ${problem}`, {
    hint: 'Write one NAME=value per line, as in .env.example; put a value with #, spaces or quotes in quotes of another kind.',
  });
}

/**
 * A line `NAME=value` that `parseEnvFile` reads back exactly and a shell can source: without quotes if none are needed, else
 * in single quotes, in which neither a shell nor dotenv expands anything. Throws `config` for a value with quotes of all kinds.
 */
export function formatEnvLine(name: string, value: string): string {
  return `${name}=${quoteValue(name, value)}`;
}

function quoteValue(name: string, value: string): string {
  if (/^[A-Za-z0-9_./:@%+,=-]*$/.test(value)) return value;
  // \r and NUL can only be written as escapes, which only double quotes allow.
  const isPlain = !/[\r\0]/.test(value);
  if (isPlain && !value.includes("'")) return `'${value}'`;
  const isDouble = !/["\0]|\\[nr]/.test(value);
  if (isDouble) return `"${value.replaceAll('\r', '\\r')}"`;
  if (isPlain && !value.includes('`')) return `\`${value}\``;
  throw new AppError('config', `${name} cannot be written into an env file: its value holds quotes of all kinds`, {
    hint: 'Choose another value, or set the variable in the environment instead.',
  });
}

/** New values by variable; null leaves the variable empty. */
type EnvChanges = ReadonlyMap<string, string | null>;

/**
 * Changes values in the text of an env file: other lines and comments stay, a changed variable stays in its place, a new one
 * is added at the end. Throws `config` for a file that cannot be parsed.
 */
export function updateEnvFile(text: string, changes: EnvChanges): string {
  const lines = text.replace(/^\ufeff/, '').split(LINE_END);
  if (lines.at(-1) === '') lines.pop();
  const left = new Map(changes);
  // From the end, so that a replacement does not move the lines that are still to be replaced.
  for (const { name, line, last } of parseEntries(Buffer.from(text)).reverse()) {
    const value = changes.get(name);
    if (value === undefined) continue;
    lines.splice(line - 1, last - line + 1, formatEnvLine(name, value ?? ''));
    left.delete(name);
  }
  const added = [...left].flatMap(([name, value]) => (value === null ? [] : [formatEnvLine(name, value)]));
  return `${[...lines, ...added].join('\n')}\n`;
}
