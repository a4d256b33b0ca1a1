import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { decodeJson, encodeJson } from '../json.js';

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

/*
 * The parts of control objects that may hold ids of projects, users, jobs or clusters, and so are encrypted where snapshots
 * are. Objects that only runs read are encrypted whole. In run records, and in objects whose figures must stay readable after
 * a change of the secret, only fields or texts are encrypted, in one more field `details`. The other objects hold no ids.
 */

/** Replaces texts that cannot be decrypted here. */
export const HIDDEN_WORDS = 'The details are encrypted with another key';

const RUNS = 'runs/';
const RUN_RECORD = /^runs\/[^/]+\/run\.json$/;
const WITH_TEXTS =
  /^(catalog|guard\/(state(-[^/]+)?|sources|pins|databases\/[^/]+)|drills\/[^/]+|snapshots\/[^/]+\/accepted)\.json$/;
const TEXTS: ReadonlySet<string> = new Set(['message', 'hint', 'detail', 'reason']);

/** Fields of a run record that are hidden, each with the names below it that stay visible, as they are needed without the secret. */
const HIDDEN_FIELDS: Readonly<Record<string, readonly string[]>> = {
  input: ['snapshot', 'trigger', 'dryRun'],
  checkpoint: [],
  result: ['manifestSha256'],
};

type Fields = Readonly<Record<string, unknown>>;

/** An object as it is stored, before it is signed. */
export function hide(cipher: ControlCipher, name: string, body: Uint8Array): Uint8Array {
  if (!cipher.encrypts) return body;
  if (!isPartlyHidden(name))
    return name.startsWith(RUNS) ? encodeJson({ encrypted: cipher.encrypt(name, body) }) : body;
  const content = decodeJson(body) as Fields;
  const fields = (RUN_RECORD.test(name) ? pick(content, Object.keys(HIDDEN_FIELDS)) : null) ?? {};
  const shown = Object.entries(fields).map(([field, value]) => [field, pick(value, HIDDEN_FIELDS[field] ?? [])]);
  const texts: string[] = [];
  const open = withTexts({ ...content, ...Object.fromEntries(shown) }, (text) => (texts.push(text), HIDDEN_WORDS));
  return encodeJson({ ...(open as Fields), details: cipher.encrypt(name, encodeJson({ fields, texts })) });
}

/**
 * An object as it was before `hide`. Where the secret is not set here: null for an object that is encrypted whole; one that is
 * encrypted in part has `HIDDEN_WORDS` in place of its texts, and a run record has `hidden: true`.
 */
export function reveal(cipher: ControlCipher, name: string, body: Buffer): Buffer | null {
  if (!isPartlyHidden(name) && !name.startsWith(RUNS)) return body;
  if (!isPartlyHidden(name)) {
    const isWhole = body.subarray(0, WHOLE.length).equals(WHOLE);
    return isWhole ? cipher.decrypt(name, String((decodeJson(body) as Fields)['encrypted'])) : body;
  }
  if (!body.includes('"details":"')) return body;
  const { details, ...open } = decodeJson(body) as Fields;
  if (typeof details !== 'string') return body;
  const plain = cipher.decrypt(name, details);
  if (plain === null) return encodeJson(RUN_RECORD.test(name) ? { ...open, hidden: true } : open);
  const { fields, texts } = decodeJson(plain) as { readonly fields: Fields; readonly texts: readonly string[] };
  let at = 0;
  const whole = withTexts(open, (text) => texts[at++] ?? text) as Fields;
  return encodeJson({ ...whole, ...fields });
}

/** The first bytes of an object that is encrypted whole, as `openControl` returns it. */
const WHOLE = Buffer.from('{"encrypted":"');

/** Whether only fields and texts of an object are hidden. */
function isPartlyHidden(name: string): boolean {
  return RUN_RECORD.test(name) || WITH_TEXTS.test(name);
}

/** Null for a value that is no object, or has none of the fields. */
function pick(value: unknown, names: readonly string[]): Fields | null {
  if (typeof value !== 'object' || value === null) return null;
  const found = names.filter((name) => name in value).map((name) => [name, (value as Fields)[name]]);
  return found.length === 0 ? null : (Object.fromEntries(found) as Fields);
}

/** The same value with each text of a field in `TEXTS` replaced, in the order of the fields. */
function withTexts(value: unknown, swap: (text: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => withTexts(item, swap));
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([field, held]) => {
    return [field, TEXTS.has(field) && typeof held === 'string' ? swap(held) : withTexts(held, swap)];
  });
  return Object.fromEntries(fields);
}
