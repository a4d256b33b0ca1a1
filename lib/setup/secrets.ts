import { randomBytes } from 'node:crypto';
import type { Values } from './model.js';

/** Variables of the secrets that authenticate callers. */
export const CALLER_SECRETS = ['CRON_SECRET', 'ADMIN_TOKEN', 'RESTORE_WEBHOOK_SECRET'] as const;

type CallerSecret = (typeof CALLER_SECRETS)[number];

/** A new value: 192 random bits in hex or, for the webhook, 256 bits in the format of Standard Webhooks. */
export function generateSecret(name: CallerSecret): string {
  if (name === 'RESTORE_WEBHOOK_SECRET') return `whsec_${randomBytes(32).toString('base64')}`;
  return randomBytes(24).toString('hex');
}

/** The text of an age identity file, in the format of age-keygen. */
export function identityFileText(identity: string, recipient: string, created: Date): string {
  return `# created: ${created.toISOString()}\n# public key: ${recipient}\n${identity}\n`;
}

/** Whether a setup that had no signing key gets one. */
export function isFirstSigningKey(before: Values, after: Values): boolean {
  return !('BACKUP_SIGNING_KEY' in before) && 'BACKUP_SIGNING_KEY' in after;
}

/** The consequence of a first signing key for an existing store; follows the variable's name. */
export const FIRST_SIGNING_KEY =
  'is the first one: no existing snapshot is trusted, and there is no `latest`, until they are adopted';

/** Makes the snapshots from before a first signing key trusted. */
export const ADOPT_COMMAND =
  'npx soulcaster-backup snapshots adopt --unsigned --reason "first signing key" --env-file .env';

const ENCRYPTION_ON =
  'BACKUP_AGE_RECIPIENTS is the first one: snapshots are encrypted from the next deployment on. The functions have no identity, so page, webhook and guard then restore and drill nothing: run `restore` and the weekly `drill --local` on a machine that has the identity';

/** What an operator has to do with a new age identity. `path`: of its file. */
export function identityAdvice(path: string): string {
  return `The age identity is in ${path}. Without it, every encrypted snapshot is lost: keep copies in two places away from this machine, such as a password manager and a safe.`;
}

interface RotatedKeys {
  readonly values: Values;
  /** The new identity; null if recipients were not rotated. */
  readonly identity: { readonly secret: string; readonly recipient: string } | null;
  /** What was done, one line for each. */
  readonly messages: readonly string[];
}

interface KeyGenerators {
  signingKey(): { readonly privateKey: string };
  publicKeyOf(privateKey: string): string;
  /** The keys of a list in any form, each as base64. Throws `config`. */
  publicKeysIn(list: string): readonly string[];
  ageIdentity(): Promise<{ readonly identity: string; readonly recipient: string }>;
}

/**
 * Replaces keys with new ones. The old signing key's public half stays accepted, so that what it signed stays trusted. The new
 * recipient replaces `ownRecipients`, those of the identity file, whose identities are kept to open the old snapshots. Other
 * recipients stay: their identities are kept elsewhere, and one of them may be the only way into new snapshots after a loss.
 */
export async function replaceKeys(
  before: Values,
  which: { readonly signing: boolean; readonly recipients: boolean; readonly secrets: boolean },
  ownRecipients: readonly string[],
  generators: KeyGenerators,
): Promise<RotatedKeys> {
  let values = before;
  const messages: string[] = [];
  if (which.signing) {
    const { BACKUP_SIGNING_KEY: old, BACKUP_SIGNING_PUBLIC_KEY: accepted } = values;
    const publicKeys = [
      ...(old === undefined ? [] : [generators.publicKeyOf(old)]),
      ...(accepted === undefined ? [] : generators.publicKeysIn(accepted)),
    ];
    values = { ...values, BACKUP_SIGNING_KEY: generators.signingKey().privateKey };
    if (publicKeys.length > 0) {
      values = { ...values, BACKUP_SIGNING_PUBLIC_KEY: [...new Set(publicKeys)].join(',') };
    }
    messages.push(
      old === undefined
        ? `BACKUP_SIGNING_KEY ${FIRST_SIGNING_KEY}`
        : 'BACKUP_SIGNING_KEY is new; the old public key is accepted beside it, in BACKUP_SIGNING_PUBLIC_KEY',
    );
  }
  if (which.secrets) {
    values = { ...values, ...Object.fromEntries(CALLER_SECRETS.map((name) => [name, generateSecret(name)])) };
    messages.push(`${CALLER_SECRETS.join(', ')} are new; the old ones are refused after the next deployment`);
  }
  const isEncrypting = values['BACKUP_AGE_RECIPIENTS'] !== undefined;
  // Beside other keys it is a replacement: whoever replaces leaked keys does not decide to encrypt.
  if (which.recipients && !isEncrypting && (which.signing || which.secrets)) {
    messages.push(
      'BACKUP_AGE_RECIPIENTS is not set: snapshots are not encrypted, so there is no recipient to replace. To turn encryption on: npx soulcaster-backup rotate-keys --recipients --env-file .env',
    );
    return { values, identity: null, messages };
  }
  if (!which.recipients) return { values, identity: null, messages };
  const { identity, recipient } = await generators.ageIdentity();
  const kept = (values['BACKUP_AGE_RECIPIENTS'] ?? '')
    .split(/[\s,]+/)
    .filter((one) => one !== '' && !ownRecipients.includes(one));
  messages.push(
    !isEncrypting
      ? ENCRYPTION_ON
      : ownRecipients.length === 0
        ? 'BACKUP_AGE_RECIPIENTS has a new recipient; no identity was here: older snapshots are opened with identities that are kept elsewhere'
        : 'BACKUP_AGE_RECIPIENTS has a new recipient; older snapshots are opened with the old identity, which is kept',
  );
  if (kept.length > 0) {
    messages.push(
      `BACKUP_AGE_RECIPIENTS keeps ${kept.join(', ')}: the identity file does not hold its identity. Remove it by hand if that identity has leaked or is lost`,
    );
  }
  return {
    values: { ...values, BACKUP_AGE_RECIPIENTS: [recipient, ...kept].join(',') },
    identity: { secret: identity, recipient },
    messages,
  };
}
