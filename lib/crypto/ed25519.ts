import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { AppError } from '../errors.js';
import type { Signer } from '../ports/crypto.js';

interface Ed25519SignerOptions {
  /** PKCS#8, as base64 of DER or as PEM; null to verify only. */
  readonly privateKey: string | null;
  /**
   * SPKI, as base64 of DER or as PEM; several are separated by commas or line ends. The public half of the private key is
   * always accepted as well, so after a rotation this list needs only the older keys, whose signatures stay valid.
   */
  readonly publicKey: string | null;
}

const SIGNATURE_BYTES = 64;
const PEM_BLOCK = /-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g;

/** Ed25519 by node:crypto. Throws `config` at once when a key is not Ed25519. */
export function ed25519Signer({ privateKey, publicKey }: Ed25519SignerOptions): Signer {
  const secret = privateKey === null ? null : readKey(privateKey, 'private');
  const derived = secret === null ? [] : [createPublicKey(secret)];
  const accepted = [...derived, ...(publicKey === null ? [] : publicKeys(publicKey))];
  return {
    sign: (bytes) => (secret === null ? null : signBytes(null, bytes, secret).toString('base64')),
    verify: (bytes, signature) =>
      accepted.length === 0 ? null : accepted.some((key) => isValidSignature(bytes, signature, key)),
    accepts: [...new Set(accepted.map(fingerprint))].sort().join(','),
  };
}

/** The public keys of a list in any form, each as base64 of SPKI DER. Throws `config` when one is not Ed25519. */
export function publicKeysIn(list: string): string[] {
  return publicKeys(list).map((key) => key.export({ format: 'der', type: 'spki' }).toString('base64'));
}

function publicKeys(list: string): KeyObject[] {
  const texts = textsIn(list);
  // An empty list is read as one empty key, which is refused as invalid.
  return (texts.length === 0 ? [''] : texts).map((text) => readKey(text, 'public'));
}

/** The keys of a list: whole PEM blocks, which contain line ends, and texts between commas and line ends. */
function textsIn(list: string): string[] {
  // Environment variables often carry a PEM with its line ends written out as backslash and n.
  const text = list.replaceAll('\\n', '\n');
  const blocks = text.match(PEM_BLOCK) ?? [];
  const rest = text.replaceAll(PEM_BLOCK, '\n').split(/[\s,]+/);
  return [...blocks, ...rest.filter((item) => item !== '')];
}

/** A fresh pair, each as base64 of DER (PKCS#8, SPKI): the form that the configuration takes. */
export function generateSigningKey(): { readonly privateKey: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
  };
}

/** The public half of a private key, as base64 of SPKI DER. Throws `config` when the key is not Ed25519. */
export function publicKeyOf(privateKey: string): string {
  const key = createPublicKey(readKey(privateKey, 'private'));
  return key.export({ format: 'der', type: 'spki' }).toString('base64');
}

/** The 32-byte seed of a private key in either form. Throws `config` when the key is not Ed25519. */
export function seedOf(privateKey: string): Buffer {
  return Buffer.from(readKey(privateKey, 'private').export({ format: 'jwk' }).d ?? '', 'base64url');
}

/** SHA-256 of the SPKI. */
function fingerprint(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest('hex');
}

function isValidSignature(bytes: Uint8Array, signature: string, key: KeyObject): boolean {
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
    // node:crypto would derive the public key from a private one without an error; a secret in the public variable is refused.
    if (text.includes('PRIVATE')) return null;
    return createPublicKey({ ...input, type: 'spki' });
  } catch {
    return null;
  }
}
