import { randomBytes } from 'node:crypto';
import { AppError } from '../../errors.js';
import type { Sealer } from '../../ports/sealer.js';
import type { Signer } from '../../ports/signer.js';
import { fail, ok, warn, type CheckGroup, type Observation } from '../doctor.js';

const PROBE_BYTES = 64;

/** Seals a probe and opens it again. `open` may throw `config` for keys that are none. */
export function encryptionChecks(open: () => Sealer): CheckGroup {
  return [{ name: 'encryption', look: () => trySealing(open()) }];
}

/** Signs a probe and checks the signature. `open` may throw `config` for keys that are none, or no pair. */
export function signatureChecks(open: () => Signer): CheckGroup {
  return [{ name: 'signature', look: () => Promise.resolve(trySigning(open())) }];
}

async function trySealing(sealer: Sealer): Promise<Observation> {
  const recipients = sealer.recipients.length;
  if (recipients === 0) {
    return warn(
      'an identity is set, but no recipients: new snapshots are not encrypted',
      'Set BACKUP_AGE_RECIPIENTS to the public key of BACKUP_AGE_IDENTITY.',
    );
  }
  const probe = randomBytes(PROBE_BYTES);
  const sealed = await sealer.seal(probe);
  if (!sealer.canOpen)
    return ok(`sealed a probe to ${recipients} recipients; nothing here can open it, as it should be`);
  try {
    if (probe.equals(await sealer.open(sealed, sealer.suffix))) return ok('sealed a probe and opened it again');
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'wrong-key') throw error;
    return fail(
      'the identity fits none of the recipients: what is backed up now could not be restored with it',
      'Set BACKUP_AGE_IDENTITY to the secret key of one of BACKUP_AGE_RECIPIENTS, or add its public key to them.',
    );
  }
  return fail('what was sealed did not come back as it was', 'Report this as a defect.');
}

function trySigning(signer: Signer): Observation {
  const probe = randomBytes(PROBE_BYTES);
  const signature = signer.sign(probe);
  if (signature === null) return ok('signatures can be checked here, but not made: only the public key is set');
  if (signer.verify(probe, signature) === true) return ok('signed a probe and checked it');
  return fail('a signature that was just made is not accepted', 'Set a fresh BACKUP_SIGNING_KEY.');
}
