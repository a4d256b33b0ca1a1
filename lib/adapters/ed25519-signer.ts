import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { AppError } from '../errors.js';
import type { Signer } from '../ports/signer.js';

export interface Ed25519SignerOptions {
  /** PKCS#8, as base64 of DER or as PEM; null where nothing is signed. */
  readonly privateKey: string | null;
  /** SPKI, as base64 of DER or as PEM; when null, the private key's own. */
  readonly publicKey: string | null;
}

const SIGNATURE_BYTES = 64;

/** Ed25519 by node:crypto. Throws `config` at once when a key is of another kind or the two are no pair. */
export function ed25519Signer({ privateKey, publicKey }: Ed25519SignerOptions): Signer {
  const secret = privateKey === null ? null : readKey(privateKey, 'private');
  const derived = secret === null ? null : createPublicKey(secret);
  const open = publicKey === null ? derived : readKey(publicKey, 'public');
  if (derived !== null && open?.equals(derived) === false) {
    throw new AppError('config', 'The signing keys are no pair', {
      hint: 'Set the public key that belongs to BACKUP_SIGNING_KEY, or leave it out: it follows from the private one.',
    });
  }
  return {
    sign: (bytes) => (secret === null ? null : signBytes(null, bytes, secret).toString('base64')),
    verify: (bytes, signature) => (open === null ? null : fits(bytes, signature, open)),
  };
}

/** A fresh pair, each as base64 of DER (PKCS#8, SPKI): the form that the configuration takes. */
export function generateSigningKey(): { readonly privateKey: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
  };
}

function fits(bytes: Uint8Array, signature: string, key: KeyObject): boolean {
  const raw = Buffer.from(signature, 'base64');
  // Buffer.from skips what is not base64; only the one canonical text counts as the signature.
  if (raw.length !== SIGNATURE_BYTES || raw.toString('base64') !== signature) return false;
  return verifyBytes(null, bytes, key, raw);
}

function readKey(text: string, kind: 'private' | 'public'): KeyObject {
  const key = tryKey(text.trim(), kind);
  if (key?.asymmetricKeyType === 'ed25519') return key;
  const form = kind === 'private' ? 'PKCS#8' : 'SPKI';
  throw new AppError('config', `The ${kind} signing key is not an Ed25519 key`, {
    hint: `Give it as PEM or as base64 of ${form} DER. A fresh one: openssl genpkey -algorithm ed25519.`,
  });
}

function tryKey(text: string, kind: 'private' | 'public'): KeyObject | null {
  try {
    // Environment variables often carry a PEM with its line ends written out as backslash and n.
    const input = text.startsWith('-----BEGIN')
      ? { key: text.replaceAll('\\n', '\n'), format: 'pem' as const }
      : { key: Buffer.from(text, 'base64'), format: 'der' as const };
    if (kind === 'private') return createPrivateKey({ ...input, type: 'pkcs8' });
    // node:crypto makes a public key of a private one without a word; here that would be a secret in the wrong place.
    if (text.includes('PRIVATE')) return null;
    return createPublicKey({ ...input, type: 'spki' });
  } catch {
    return null;
  }
}
