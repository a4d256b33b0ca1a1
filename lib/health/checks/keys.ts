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
