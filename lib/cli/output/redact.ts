import type { Environment } from '../../app/config.js';

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
export function printableJson(value: unknown): string {
  // In JSON these characters occur only in strings, where \u escapes are equivalent.
  return JSON.stringify(value, null, 2).replaceAll(CONTROLS, escapeCharacter);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
