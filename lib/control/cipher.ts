import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** Encrypts control objects with a secret that only functions and operators have. */
export interface ControlCipher {
  /** Whether new objects are encrypted; objects that already are encrypted are decrypted in any case. */
  readonly encrypts: boolean;
  encrypt(name: string, plain: Uint8Array): string;
  /** Null when the text was encrypted with another secret or under another name, or was altered. */
  decrypt(name: string, text: string): Buffer | null;
}

const ALGORITHM = 'aes-256-gcm';
const VERSION = 'v1:';
const INFO = 'soulcaster-backup control state v1';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** The largest content that is decompressed; this program writes none that is larger. */
const LARGEST_BYTES = 256 * 1024 * 1024;

/** Used where no secret is set: only the process that encrypted an object can decrypt it. */
const PROCESS_SECRET = randomBytes(KEY_BYTES);

interface CipherOptions {
  readonly encrypts: boolean;
  /** The first encrypts; all are tried to decrypt. */
  readonly secrets: readonly (string | Uint8Array)[];
}

/**
 * AES-256-GCM over the compressed content, with the object's name as additional data. Keys are derived from the secrets
 * by HKDF-SHA256. The nonce is a keyed hash of name and content (as in SIV modes), so that the same content gives the same
 * bytes: a write that is repeated after a lost answer is recognized as done.
 */
export function controlCipher({ encrypts, secrets }: CipherOptions): ControlCipher {
  const pairs = (secrets.length === 0 ? [PROCESS_SECRET] : secrets).map(deriveKeys);
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

/** Encrypts nothing, and cannot decrypt anything. */
export const NO_CIPHER: ControlCipher = controlCipher({ encrypts: false, secrets: [] });

interface Keys {
  readonly key: Buffer;
  readonly nonceKey: Buffer;
}

function deriveKeys(secret: string | Uint8Array): Keys {
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
