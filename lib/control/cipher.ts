import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** Encrypts what control objects hold for those alone who move runs: a secret that functions and operators have. */
export interface ControlCipher {
  /** Whether new objects are encrypted; what is encrypted already is decrypted in any case. */
  readonly encrypts: boolean;
  encrypt(name: string, plain: Uint8Array): string;
  /** Null when it was encrypted with another secret or under another name, or was altered. */
  decrypt(name: string, text: string): Buffer | null;
}

const ALGORITHM = 'aes-256-gcm';
const VERSION = 'v1:';
const INFO = 'soulcaster-backup control state v1';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** More is none of ours. */
const LARGEST_BYTES = 256 * 1024 * 1024;

/** Where nothing is set that others have too: what a process encrypts so, it can still read itself. */
const OF_THIS_PROCESS = randomBytes(KEY_BYTES);

interface CipherOptions {
  readonly encrypts: boolean;
  /** The first is encrypted with; all are tried when something is decrypted. */
  readonly secrets: readonly (string | Uint8Array)[];
}

/**
 * AES-256-GCM over the compressed content, with the object's name as additional data. Keys are derived from the secrets
 * by HKDF-SHA256. The nonce is a keyed hash of name and content (as in SIV modes), so that the same content gives the same
 * bytes: a write that is repeated after a lost answer must be recognized as done.
 */
export function controlCipher({ encrypts, secrets }: CipherOptions): ControlCipher {
  const pairs = (secrets.length === 0 ? [OF_THIS_PROCESS] : secrets).map(derive);
  return {
    encrypts,
    encrypt(name, plain) {
      const [{ key, nonceKey }] = pairs as [Keys];
      const content = deflateRawSync(plain, { level: 1 });
      const nonce = createHmac('sha256', nonceKey)
        .update(`${name}\n`)
        .update(content)
        .digest()
        .subarray(0, NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(Buffer.from(name));
      const body = Buffer.concat([nonce, cipher.update(content), cipher.final(), cipher.getAuthTag()]);
      return `${VERSION}${body.toString('base64')}`;
    },
    decrypt(name, text) {
      const bytes = Buffer.from(text.slice(VERSION.length), 'base64');
      if (!text.startsWith(VERSION) || bytes.length < NONCE_BYTES + TAG_BYTES) return null;
      for (const { key } of pairs) {
        const content = tryKey(key, name, bytes);
        if (content !== null) return inflateRawSync(content, { maxOutputLength: LARGEST_BYTES });
      }
      return null;
    },
  };
}

/** Encrypts nothing, and reads nothing that is encrypted. */
export const NO_CIPHER: ControlCipher = controlCipher({ encrypts: false, secrets: [] });

interface Keys {
  readonly key: Buffer;
  readonly nonceKey: Buffer;
}

function derive(secret: string | Uint8Array): Keys {
  const bytes = Buffer.from(hkdfSync('sha256', secret, '', INFO, 2 * KEY_BYTES));
  return { key: bytes.subarray(0, KEY_BYTES), nonceKey: bytes.subarray(KEY_BYTES) };
}

function tryKey(key: Buffer, name: string, bytes: Buffer): Buffer | null {
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return null;
  }
}
