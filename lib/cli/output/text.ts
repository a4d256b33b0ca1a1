import type { Environment } from '../../app/config.js';
import { quoted } from '../../restore/scope-words.js';
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** Names of variables with secret values. */
const SECRET_NAME = /TOKEN|SECRET|KEY|IDENTITY|PASSWORD|ALERT_WEBHOOK_URL|HEARTBEAT_URL/;
const OPEN_NAME = /_FILE$|PUBLIC_KEY|^RESTORE_TARGET_.*_URL$/;

/** Whether the value of a variable must not be shown. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !OPEN_NAME.test(name);
}

/** Shorter values would also match within ordinary words. */
const MIN_SECRET_LENGTH = 6;

/**
 * Replaces every configured secret in a text. Messages contain no secrets by design; this protects against texts of foreign
 * errors, which DEBUG=1 shows.
 */
export function redact(text: string, env: Environment): string {
  let safe = text;
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value.length < MIN_SECRET_LENGTH || !isSecretName(name)) continue;
    safe = safe.replaceAll(value, `<${name}>`);
  }
  return safe;
}

/** In our own commands alone: a key or a value of the database may hold the same option. */
const OUR_ENV_FILE = /(npx soulcaster-backup\b[^`\n]*?) --env-file \.env(?![\w/-]|\.\w)/g;

/**
 * Hints name the env file `.env`. A command was given another one, or none, and a pasted hint has to act on the same
 * deployment: its `--env-file .env` becomes the given file, or is left out. `asWord` writes the name as a word of the text.
 */
export function nameEnvFile(
  text: string,
  envFile: string | undefined,
  asWord = (name: string): string => name,
): string {
  if (envFile === '.env') return text;
  const option = envFile === undefined ? '' : asWord(` --env-file ${quoted(envFile)}`);
  return text.replaceAll(OUR_ENV_FILE, (_, command: string) => `${command}${option}`);
}

/**
 * Characters that a terminal interprets instead of showing: control characters except tab and line end (C0, DEL, C1 with its
 * one-character CSI U+009B), marks and overrides of writing direction, and Unicode's own line ends.
 */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** Escapes a text for a terminal: texts from the store or from a service may contain any characters. */
export function printable(text: string): string {
  return text.replaceAll(CONTROLS, escapeCharacter);
}

/** JSON text escaped for a terminal, with the same meaning. */
export function printableJson(value: unknown, envFile: string | undefined): string {
  const text = nameEnvFile(JSON.stringify(value, null, 2), envFile, (name) => JSON.stringify(name).slice(1, -1));
  // In JSON these characters occur only in strings, where \u escapes are equivalent.
  return text.replaceAll(CONTROLS, escapeCharacter);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Writes long output to the standard output line by line, and waits while the reader is slow. */
export interface LineOutput {
  /** Whether the reader has closed the output, as `head` does, so that the rest is not needed. */
  isClosed(): boolean;
  /** Escapes control characters. A returned promise has to be awaited. */
  write(line: string): Promise<void> | undefined;
  /** Writes bytes unescaped. */
  writeRaw(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

const CHUNK_LENGTH = 64 * 1024;

export function lineOutput(out: Writable = process.stdout): LineOutput {
  let waiting: string[] = [];
  let length = 0;
  const isClosed = (): boolean => out.destroyed || out.errored !== null;
  const send = async (chunk: string | Uint8Array): Promise<void> => {
    if (isClosed() || out.write(chunk)) return;
    // Only one of the two events is emitted; the other listener is removed.
    const done = new AbortController();
    await Promise.race([once(out, 'drain', { signal: done.signal }), once(out, 'close', { signal: done.signal })])
      .catch(() => undefined)
      .finally(() => done.abort());
  };
  const flush = async (): Promise<void> => {
    const chunk = waiting.join('');
    [waiting, length] = [[], 0];
    if (chunk !== '') await send(chunk);
  };
  return {
    isClosed,
    write(line) {
      waiting.push(`${printable(line)}\n`);
      length += line.length;
      return length >= CHUNK_LENGTH ? flush() : undefined;
    },
    async writeRaw(bytes) {
      await flush();
      await send(bytes);
    },
    end: flush,
  };
}
