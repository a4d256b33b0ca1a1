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
