import type { Environment } from '../../app/config.js';

/** Names of variables whose values are secret; a file's name is none. */
const SECRET_NAME = /TOKEN|SECRET|KEY|IDENTITY|PASSWORD|ALERT_WEBHOOK_URL|HEARTBEAT_URL/;
const OPEN_NAME = /_FILE$|PUBLIC_KEY|^RESTORE_TARGET_.*_URL$/;

/** Whether the value of a variable is never to be shown. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !OPEN_NAME.test(name);
}

/** Shorter values are part of ordinary words. */
const TELLING_LENGTH = 6;

/**
 * Takes every configured secret out of a text. No message holds one by design; this is the net below it, for the
 * texts of foreign errors that DEBUG=1 shows.
 */
export function redact(text: string, env: Environment): string {
  let safe = text;
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value.length < TELLING_LENGTH || !isSecretName(name)) continue;
    safe = safe.replaceAll(value, `<${name}>`);
  }
  return safe;
}

/**
 * What a terminal would obey rather than show: control characters but for tab and line end (C0, DEL, C1 with its
 * one-character CSI U+009B), marks and overrides of writing direction, and Unicode's own line ends.
 */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** A text as it may go to a terminal: texts from the store, or from a service, may hold anything. */
export function printable(text: string): string {
  return text.replaceAll(CONTROLS, escaped);
}

/** JSON text as it may go to a terminal; what it means stays the same. */
export function printableJson(value: unknown): string {
  // Outside its strings JSON has none of these, and within them this is how it writes any character.
  return JSON.stringify(value, null, 2).replaceAll(CONTROLS, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
