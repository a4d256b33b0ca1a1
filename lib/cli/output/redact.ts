import type { Environment } from '../../config.js';

const SECRET_NAME = /TOKEN|SECRET|KEY|IDENTITY|PASSWORD|ALERT_WEBHOOK_URL|HEARTBEAT_URL/;
/** Shorter values are part of ordinary words. */
const TELLING_LENGTH = 6;

/**
 * Takes every configured secret out of a text. No message holds one by design; this is the net below it, for the
 * texts of foreign errors that DEBUG=1 shows.
 */
export function redact(text: string, env: Environment): string {
  let safe = text;
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value.length < TELLING_LENGTH || !SECRET_NAME.test(name)) continue;
    safe = safe.replaceAll(value, `<${name}>`);
  }
  return safe;
}
