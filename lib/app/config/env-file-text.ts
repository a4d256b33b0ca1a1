import { AppError } from '../../errors.js';
import { envEntries, LINE_END } from './env-file.js';

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
