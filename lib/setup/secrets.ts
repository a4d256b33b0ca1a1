import { randomBytes } from 'node:crypto';

/** The secrets by which callers are told, by variable. */
export const CALLERS_SECRETS = ['CRON_SECRET', 'ADMIN_TOKEN', 'RESTORE_WEBHOOK_SECRET'] as const;

type CallersSecret = (typeof CALLERS_SECRETS)[number];

/** A fresh value: 192 random bits in hex, or, for the webhook, 256 in the form of Standard Webhooks. */
export function newSecret(name: CallersSecret): string {
  if (name === 'RESTORE_WEBHOOK_SECRET') return `whsec_${randomBytes(32).toString('base64')}`;
  return randomBytes(24).toString('hex');
}

/** The text of a file with an age identity, as age-keygen writes it and as age and this program read it. */
export function identityFileText(identity: string, recipient: string, created: Date): string {
  return `# created: ${created.toISOString()}\n# public key: ${recipient}\n${identity}\n`;
}
