import { randomBytes } from 'node:crypto';
import type { Values } from './model.js';

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

interface RotatedKeys {
  readonly values: Values;
  /** What a fresh identity was made for; null when recipients were not rotated. */
  readonly identity: { readonly secret: string; readonly recipient: string } | null;
  /** What was done, a line each. */
  readonly words: readonly string[];
}

interface KeyMakers {
  signingKey(): { readonly privateKey: string };
  publicKeyOf(privateKey: string): string;
  ageIdentity(): Promise<{ readonly identity: string; readonly recipient: string }>;
}

/**
 * Fresh keys in the place of the present ones. The old signing key's public half stays accepted, so that what it signed stays
 * trusted; new snapshots go to the new recipient alone, and the old identity is kept, so that the old ones are opened.
 */
export async function rotateKeys(
  before: Values,
  which: { readonly signing: boolean; readonly recipients: boolean; readonly secrets: boolean },
  make: KeyMakers,
): Promise<RotatedKeys> {
  let values = before;
  const words: string[] = [];
  if (which.signing) {
    const { BACKUP_SIGNING_KEY: old, BACKUP_SIGNING_PUBLIC_KEY: accepted } = values;
    const publicKeys = [...(old === undefined ? [] : [make.publicKeyOf(old)]), ...listOf(accepted)];
    values = { ...values, BACKUP_SIGNING_KEY: make.signingKey().privateKey };
    if (publicKeys.length > 0) {
      values = { ...values, BACKUP_SIGNING_PUBLIC_KEY: [...new Set(publicKeys)].join(',') };
    }
    words.push(
      old === undefined
        ? 'BACKUP_SIGNING_KEY is the first one: until the snapshots there are have been adopted, none of them is trusted, and `latest` is none'
        : 'BACKUP_SIGNING_KEY is new; the old public key is accepted beside it, in BACKUP_SIGNING_PUBLIC_KEY',
    );
  }
  if (which.secrets) {
    values = { ...values, ...Object.fromEntries(CALLERS_SECRETS.map((name) => [name, newSecret(name)])) };
    words.push(`${CALLERS_SECRETS.join(', ')} are new; the old ones are refused once it is deployed`);
  }
  if (!which.recipients) return { values, identity: null, words };
  const { identity, recipient } = await make.ageIdentity();
  words.push('BACKUP_AGE_RECIPIENTS is new; older snapshots are opened by the old identity, which is kept');
  return { values: { ...values, BACKUP_AGE_RECIPIENTS: recipient }, identity: { secret: identity, recipient }, words };
}

/** PEM has blanks in it: a list of those is kept as one. */
function listOf(text: string | undefined): string[] {
  if (text === undefined) return [];
  return text.includes('-----BEGIN') ? [text] : text.split(/[\s,]+/).filter((item) => item !== '');
}
