import { decodedCommand, type RedisArgument, type SentCommand } from '../../ports/redis.js';

const MAX_LENGTH = 200;
/** Shorter arguments ("0", "EX") would blank out ordinary words, and tell nobody anything. */
const TELLING_LENGTH = 4;

/** Upstash's own message about a size: numbers alone, and callers tell by it that they should ask for less. */
const SIZE_MESSAGE = /^ERR max request size exceeded[\w .:,]*$/;

/**
 * Redis's error text without what it quotes of the command: keys, fields, values. The error's code stays, and the
 * command's own name without its quotes. Some servers quote whole argument lists, or arguments without quotes, so both
 * quoted spans and the arguments themselves go; an argument that is an everyday word takes such a word with it.
 */
export function plainErrorText(text: string, commands: readonly SentCommand[]): string {
  if (SIZE_MESSAGE.test(text)) return text.slice(0, MAX_LENGTH);
  const code = /^[A-Z]+(?= |$)/.exec(text)?.[0] ?? '';
  let plain = text.slice(code.length).split(', with args beginning with', 1)[0] ?? '';
  for (const command of commands) {
    const [name, ...args] = decodedCommand(command);
    plain = plain.replaceAll(`'${name}'`, name).replaceAll(`'${name.toLowerCase()}'`, name);
    for (const arg of args) plain = withoutArgument(plain, arg);
  }
  // From the first quote that opens a word to the last one there is: a quoted key may hold quotes itself.
  plain = plain.replace(/(^|[\s(:=])["'`][\s\S]*["'`]/, '$1...').replace(/(^|[\s(:=])["'`][\s\S]*$/, '$1...');
  return (code + printable(plain)).slice(0, MAX_LENGTH).trim();
}

function withoutArgument(text: string, arg: RedisArgument): string {
  if (typeof arg === 'number' || arg.length < TELLING_LENGTH || arg.length > text.length * 3) return text;
  return text.replaceAll(typeof arg === 'string' ? arg : Buffer.from(arg).toString('utf8'), '...');
}

function printable(text: string): string {
  return text.replace(/\p{C}+/gu, ' ');
}
