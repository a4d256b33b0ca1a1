import { AppError } from '../../errors.js';

/** What ends a line. */
const LINE_END = /\r\n|\n|\r/;
const NAME = /^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=/;

/**
 * Reads an env file: `NAME=value` lines, with or without `export`, quotes or comments, as shells, dotenv and `vercel env
 * pull` write them; UTF-8 with or without a byte order mark, lines ended in any way. Whatever could be read in two ways
 * is refused by line and name, since a variable that is lost may be the one that encrypts. Throws `config`.
 */
export function parseEnvFile(bytes: Uint8Array): Record<string, string> {
  const found = new Map<string, EnvEntry>();
  for (const entry of envEntries(bytes)) {
    const earlier = found.get(entry.name);
    if (earlier !== undefined && earlier.value !== entry.value) {
      throw refused(entry.name, `is set twice, differently, in lines ${earlier.line} and ${entry.line}`);
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

/** The variables of an env file in their order, one that is set twice among them. Throws `config`. */
function envEntries(bytes: Uint8Array): EnvEntry[] {
  const lines = textOf(bytes).split(LINE_END);
  const entries: EnvEntry[] = [];
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1;
    const text = (lines[index] ?? '').replace(/^[ \t]+/, '');
    if (text === '' || text.startsWith('#')) continue;
    const match = NAME.exec(text);
    const name = match?.[1];
    if (match === null || name === undefined) throw refused(`Line ${line}`, 'is not NAME=value');
    const rest = text.slice(match[0].length);
    const [opening, quote] = /^[ \t]*(["'`])/.exec(rest) ?? [];
    const read =
      opening === undefined || quote === undefined
        ? bare(rest)
        : quoted(lines, index, rest.slice(opening.length), quote);
    if ('problem' in read) throw refused(`${name} in line ${line}`, read.problem);
    index = read.last ?? index;
    entries.push({ name, value: read.value, line, last: index + 1 });
  }
  return entries;
}

type Read = { readonly value: string; readonly last?: number } | { readonly problem: string };

/** Without quotes: up to the end of the line, or to a blank and a # after it. */
function bare(rest: string): Read {
  const value = rest.replace(/[ \t]+#.*$/, '').replace(/^[ \t]+|[ \t]+$/g, '');
  if (!value.includes('#')) return { value };
  return { problem: 'has a # in its value: put the value in quotes, or a blank before the comment' };
}

/** In quotes: up to the same quote, on this line or a later one. Double quotes know \n and \r, as `vercel env pull` writes them. */
function quoted(lines: readonly string[], index: number, rest: string, quote: string): Read {
  let text = rest;
  let last = index;
  while (!text.includes(quote)) {
    last++;
    const next = lines[last];
    if (next === undefined) return { problem: 'has a quote that does not end' };
    text += `\n${next}`;
  }
  const end = text.indexOf(quote);
  if (!/^[ \t]*([ \t]#.*)?$/.test(text.slice(end + 1))) {
    return { problem: 'has something behind its closing quote, or a quote within its value' };
  }
  const inside = text.slice(0, end);
  const value = quote === '"' ? inside.replaceAll('\\n', '\n').replaceAll('\\r', '\r') : inside;
  return { value, last };
}

function textOf(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw refused('The file', 'is UTF-16: save it as UTF-8');
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // The cause is dropped: it adds nothing.
    throw refused('The file', 'is not UTF-8: save it as UTF-8');
  }
  const nul = text.indexOf('\0');
  if (nul < 0) return text;
  throw refused(`Line ${text.slice(0, nul).split(LINE_END).length}`, 'holds a NUL character');
}

function refused(what: string, problem: string): AppError {
  return new AppError('config', `The file given with --env-file: ${what} ${problem}`, {
    hint: 'Write one NAME=value a line, as in .env.example; a value with #, blanks or quotes goes in quotes of another kind.',
  });
}

/**
 * A line `NAME=value` that `parseEnvFile` reads back as exactly this value, and that a shell can source: without quotes where
 * none are needed, else in single quotes, which neither a shell nor dotenv looks into. Throws `config` for a value that no
 * kind of quotes can hold.
 */
export function envLine(name: string, value: string): string {
  return `${name}=${quotedValue(name, value)}`;
}

function quotedValue(name: string, value: string): string {
  if (/^[A-Za-z0-9_./:@%+,=-]*$/.test(value)) return value;
  // Line ends of other systems, and NUL, only live as escapes, which double quotes alone know.
  const isPlain = !/[\r\0]/.test(value);
  if (isPlain && !value.includes("'")) return `'${value}'`;
  const isDouble = !/["\0]|\\[nr]/.test(value);
  if (isDouble) return `"${value.replaceAll('\r', '\\r')}"`;
  if (isPlain && !value.includes('`')) return `\`${value}\``;
  throw new AppError('config', `${name} cannot be written into an env file: its value holds quotes of all kinds`, {
    hint: 'Choose another value, or set the variable in the environment instead.',
  });
}

/** What becomes of variables: a new value, or null for one that is to be empty. */
type EnvChanges = ReadonlyMap<string, string | null>;

/**
 * The text of an env file with other values: lines and comments stay as they are, a changed variable stays in its place,
 * a new one is added at the end. Throws `config` for a file that cannot be read.
 */
export function changedEnvFile(text: string, changes: EnvChanges): string {
  const lines = text.replace(/^\ufeff/, '').split(LINE_END);
  if (lines.at(-1) === '') lines.pop();
  const left = new Map(changes);
  // From the end, so that what is replaced does not move what is still to come.
  for (const { name, line, last } of envEntries(Buffer.from(text)).reverse()) {
    const value = changes.get(name);
    if (value === undefined) continue;
    lines.splice(line - 1, last - line + 1, envLine(name, value ?? ''));
    left.delete(name);
  }
  const added = [...left].flatMap(([name, value]) => (value === null ? [] : [envLine(name, value)]));
  return `${[...lines, ...added].join('\n')}\n`;
}
