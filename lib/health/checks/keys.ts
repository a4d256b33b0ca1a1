import { randomBytes } from 'node:crypto';
import { AppError } from '../../errors.js';
import type { Encryptor } from '../../ports/encryptor.js';
import type { Signer } from '../../ports/signer.js';
import { fail, ok, warn, type CheckGroup, type Observation } from '../doctor.js';

const PROBE_BYTES = 64;
const NO_FILE = fail(
  'the file that BACKUP_AGE_IDENTITY_FILE names cannot be read or holds no identity: nothing encrypted can be restored here',
  'Correct its path, bring it back from where the identity is kept, or remove the variable where no identity is to be.',
);

/**
 * Seals a probe and opens it again. `open` may throw `config` for keys that are none. `lacksFile`: whether a file is named that
 * should hold the identity, and gave none.
 */
export function encryptionChecks(open: () => Encryptor, lacksFile: boolean): CheckGroup {
  return [{ name: 'encryption', run: () => (lacksFile ? Promise.resolve(NO_FILE) : tryEncryption(open())) }];
}

/** Signs a probe and checks the signature. `open` may throw `config` for keys that are none, or no pair. */
export function signatureChecks(open: () => Signer): CheckGroup {
  return [{ name: 'signature', run: () => Promise.resolve(trySigning(open())) }];
}

async function tryEncryption(encryptor: Encryptor): Promise<Observation> {
  const recipients = encryptor.recipients.length;
  if (recipients === 0) {
    return warn(
      'an identity is set, but no recipients: new snapshots are not encrypted',
      'Set BACKUP_AGE_RECIPIENTS to the public key of BACKUP_AGE_IDENTITY.',
    );
  }
  const probe = randomBytes(PROBE_BYTES);
  const sealed = await encryptor.encrypt(probe);
  if (!encryptor.canOpen)
    return ok(`encrypted a probe to ${recipients} recipients; nothing here can decrypt it, as it should be`);
  try {
    if (probe.equals(await encryptor.open(sealed, encryptor.suffix)))
      return ok('encrypted a probe and decrypted it again');
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'wrong-key') throw error;
    return fail(
      'the identity fits none of the recipients: what is backed up now could not be restored with it',
      'Set BACKUP_AGE_IDENTITY to the secret key of one of BACKUP_AGE_RECIPIENTS, or add its public key to them.',
    );
  }
  return fail('what was encrypted was not the same when decrypted', 'Report this as a defect.');
}

function trySigning(signer: Signer): Observation {
  const probe = randomBytes(PROBE_BYTES);
  const signature = signer.sign(probe);
  if (signature === null) {
    return warn(
      'signatures can be checked here, but not made: nothing that writes works, so no backup, restore, verification or guard',
      'Where runs are moved set BACKUP_SIGNING_KEY to the private key; to look and to try (--dry-run) the public one is enough.',
    );
  }
  if (signer.verify(probe, signature) === true) return ok('signed a probe and checked it');
  return fail('a signature that was just made is not accepted', 'Set a fresh BACKUP_SIGNING_KEY.');
}

/** A secret that callers must know. `problem` is what the configuration has to say against it, or null. */
interface AccessSecret {
  readonly variable: string;
  readonly value: string;
  readonly problem: AppError | null;
}

/** Whether a secret was set as it should be, and is not used for something else as well. */
export function secretChecks(secret: AccessSecret, others: readonly string[]): CheckGroup {
  const look = () => {
    if (secret.problem !== null) return Promise.reject(secret.problem);
    if (others.includes(secret.value)) {
      return Promise.resolve(
        warn('another secret has the same value', 'Give each its own: whoever learns one must not hold the other.'),
      );
    }
    return Promise.resolve(ok(`${secret.variable} is set, ${secret.value.length} characters long`));
  };
  return [{ name: secret.variable === 'CRON_SECRET' ? 'cron-secret' : 'admin-token', run: look }];
}

const LOCAL_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0|.*\.local|.*\.localhost)$/;

/** Whether the queue could reach us at PUBLIC_URL. Warnings only: on a developer's machine it cannot. */
export function publicUrlChecks(text: string): CheckGroup {
  const evaluate = () => {
    if (!URL.canParse(text)) return warn('PUBLIC_URL is no URL', 'Set it to https:// and the host of the deployment.');
    const { protocol, hostname } = new URL(text);
    const hint = 'QStash delivers to public https addresses only: set PUBLIC_URL to that of the deployment.';
    if (LOCAL_HOST.test(hostname)) return warn(`PUBLIC_URL names this machine (${hostname})`, hint);
    return protocol === 'https:'
      ? ok(`PUBLIC_URL names ${hostname} over https`)
      : warn('PUBLIC_URL is not https', hint);
  };
  return [{ name: 'public-url', run: () => Promise.resolve(evaluate()) }];
}
