import { decodedCommand, type RedisArgument, type SentCommand } from '../../ports/redis.js';

const MAX_LENGTH = 200;
/** Shorter arguments ("0", "EX") would blank out ordinary words, and reveal nothing. */
const MIN_ARGUMENT_LENGTH = 4;

/** Upstash's own message about a size: it holds numbers only, and callers request less when they recognise it. */
const SIZE_MESSAGE = /^ERR max request size exceeded[\w .:,]*$/;

/**
 * Redis's error text without quoted parts of the command: keys, fields, values. The error's code and the command's name
 * stay. Some servers quote whole argument lists, or arguments without quotes, so both quoted spans and the arguments
 * themselves are removed; an argument that is an ordinary word removes that word as well.
 */
export function redactErrorText(text: string, commands: readonly SentCommand[]): string {
  if (SIZE_MESSAGE.test(text)) return text.slice(0, MAX_LENGTH);
  const code = /^[A-Z]+(?= |$)/.exec(text)?.[0] ?? '';
  let plain = text.slice(code.length).split(', with args beginning with', 1)[0] ?? '';
  for (const command of commands) {
    const [name, ...args] = decodedCommand(command);
    plain = plain.replaceAll(`'${name}'`, name).replaceAll(`'${name.toLowerCase()}'`, name);
    for (const arg of args) plain = redactArgument(plain, arg);
  }
  // From the first quote that opens a word to the last quote: a quoted key may hold quotes itself.
  plain = plain.replace(/(^|[\s(:=])["'`][\s\S]*["'`]/, '$1...').replace(/(^|[\s(:=])["'`][\s\S]*$/, '$1...');
  return (code + toPrintable(plain)).slice(0, MAX_LENGTH).trim();
}

function redactArgument(text: string, arg: RedisArgument): string {
  if (typeof arg === 'number' || arg.length < MIN_ARGUMENT_LENGTH || arg.length > text.length * 3) return text;
  return text.replaceAll(typeof arg === 'string' ? arg : Buffer.from(arg).toString('utf8'), '...');
}

function toPrintable(text: string): string {
  return text.replace(/\p{C}+/gu, ' ');
}
