import { AppError } from '../errors.js';
import type { Log } from '../ports/index.js';
import type { Signer } from '../ports/crypto.js';
import type { CreateResult, ObjectStore, StoredBody } from '../ports/store.js';
import { NO_CIPHER, type ControlCipher, hide, reveal } from './encryption.js';
import { decodeJson, encodeJson } from '../json.js';

const PREFIXES = ['runs/', 'leases/', 'webhooks/', 'drills/', 'guard/', 'credentials/', 'rotations/'] as const;
const OF_A_SNAPSHOT = /^snapshots\/[^/]+\/(verification|accepted|adopted)\.json$/;

/** The catalogue of snapshots, updated whenever a snapshot is added, verified or removed. */
export const CATALOG_NAME = 'catalog.json';

/**
 * Whether an object of the store is control state: JSON that decides about runs, leases, alerts or the trust in a snapshot.
 * Parts, manifests and tombstones are not: their formats have other signatures.
 */
export function isControlName(name: string): boolean {
  return name === CATALOG_NAME || PREFIXES.some((prefix) => name.startsWith(prefix)) || OF_A_SNAPSHOT.test(name);
}

/**
 * An object that was read and is ignored. `unreadable`: JSON of a form, kind or version that this version does not know;
 * `other-key`: encrypted with a secret that is not set here.
 */
export interface IgnoredObject {
  readonly object: string;
  readonly why: Objection | 'unreadable' | 'other-key';
}

/** A store that ignores control objects without a valid signature. */
interface AuthenticatedStore extends ObjectStore {
  /**
   * The control objects that were read through this store and ignored, in the order of the first read. An object that was
   * replaced or removed is left out once it has been read again.
   */
  ignoredObjects(): readonly IgnoredObject[];
  /** See `evenUnproven`. */
  readUnproven(name: string): Promise<Buffer | null>;
  /** See `signUnsigned`. */
  signUnsigned(name: string, edit: (body: Buffer) => Buffer | null): Promise<boolean>;
  /** Why a stored object would be lost in a change by this process; null if it is absent or believed. See `assertBelieved`. */
  objectionTo(name: string): Promise<Objection | 'unchecked' | null>;
  /** See `passOver`. */
  passOver(name: string, etag: string, why: IgnoredObject['why']): void;
}

const CREATE_ATTEMPTS = 10;
/** The most ignored names that are kept in memory, however many junk objects a bucket contains. */
const MAX_IGNORED = 1000;

/**
 * The same store, in which every control object (`isControlName`) is signed when it is written and checked when it is
 * read. An object without a valid signature, or that is no JSON object, counts as absent: `read` gives null, `create` replaces
 * it, and it is logged once (`control-object-ignored`). Without any key nothing is signed, and only garbled objects count as
 * absent. Where only a public key is set, writing control state throws `config`. Contents that may hold ids are encrypted
 * with `cipher` before they are signed.
 *
 * Listings include ignored objects: code that counts control objects has to read them.
 */
export function authenticatedStore(
  store: ObjectStore,
  signer: Signer,
  log: Log,
  cipher: ControlCipher = NO_CIPHER,
): AuthenticatedStore {
  const ignored = new Map<string, IgnoredObject & { readonly etag: string }>();
  const logged = new Set<string>();
  const ignore = (object: string, why: IgnoredObject['why'], etag: string): null => {
    // Objects under guard/ are kept beyond the limit: the erasure list forbids restores.
    if (ignored.size < MAX_IGNORED || ignored.has(object) || object.startsWith('guard/'))
      ignored.set(object, { object, why, etag });
    if (logged.has(object) || logged.size >= MAX_IGNORED) return null;
    logged.add(object);
    log.warn('control-object-ignored', { object, why });
    return null;
  };
  /** Drops an ignored object that was replaced or removed since. */
  const forget = (object: string, etag: string | null): void => {
    if (ignored.get(object)?.etag !== etag) ignored.delete(object);
  };
  const encode = (name: string, body: Uint8Array): Buffer => {
    const bytes = signControl(signer, name, hide(cipher, name, body));
    if (bytes === null) throw noSigningKey(name);
    return bytes;
  };
  const decode = (name: string, stored: Buffer): { readonly body: Buffer } | { readonly why: IgnoredObject['why'] } => {
    try {
      const authentic = openControl(signer, name, stored);
      if (!authentic.ok) return authentic;
      const body = reveal(cipher, name, authentic.body);
      return body === null ? { why: 'other-key' } : { body };
    } catch (error) {
      // Nested too deeply to be walked.
      if (error instanceof RangeError) return { why: 'garbled' };
      throw error;
    }
  };

  async function createControl(name: string, body: Uint8Array): Promise<CreateResult> {
    const bytes = encode(name, body);
    for (let attempt = 1; attempt <= CREATE_ATTEMPTS; attempt++) {
      const outcome = await store.create(name, bytes);
      if (outcome.created) return outcome;
      const found = await store.read(name);
      if (found === null) continue;
      const existing = decode(name, found.body);
      if ('body' in existing) return { created: false };
      ignore(name, existing.why, found.etag);
      const etag = await store.swap(name, bytes, found.etag);
      if (etag !== null) return { created: true, etag };
    }
    throw new AppError('store-unavailable', `${name} could not be created in ${CREATE_ATTEMPTS} attempts`, {
      hint: 'Other processes keep creating and removing the same object. Try again when they are done.',
      transient: true,
    });
  }

  return {
    ...store,
    async read(name) {
      const found = await store.read(name);
      forget(name, found?.etag ?? null);
      if (found === null || !isControlName(name)) return found;
      const control = decode(name, found.body);
      return 'body' in control ? { ...control, etag: found.etag } : ignore(name, control.why, found.etag);
    },
    create: (name, body) => (isControlName(name) ? createControl(name, body) : store.create(name, body)),
    swap: async (name, body, etag) => store.swap(name, isControlName(name) ? encode(name, body) : body, etag),
    ignoredObjects: () => [...ignored.values()].map(({ object, why }) => ({ object, why })),
    async readUnproven(name) {
      // Most such objects do not exist; only an ignored one is read again.
      const found = ignored.has(name) ? await store.read(name) : null;
      if (found === null) return null;
      const content = unprovenContent(found.body);
      try {
        return reveal(cipher, name, content);
      } catch {
        return content;
      }
    },
    async signUnsigned(name, edit) {
      const found = await store.read(name);
      const control = found === null ? null : openControl(signer, name, found.body);
      if (found === null || control === null || control.ok || control.why !== 'unsigned') return false;
      const next = edit(unprovenContent(found.body));
      const bytes = next === null ? null : signControl(signer, name, next);
      if (next !== null && bytes === null) throw noSigningKey(name);
      if (bytes === null || (await store.swap(name, bytes, found.etag)) === null) return false;
      ignored.delete(name);
      return true;
    },
    async objectionTo(name) {
      const found = await store.read(name);
      if (found === null) return null;
      const control = openControl(signer, name, found.body);
      if (!control.ok) return control.why;
      return control.isUnchecked && signatureIn(objectIn(found.body)?.['auth']) !== null ? 'unchecked' : null;
    },
    passOver: (name, etag, why) => void ignore(name, why, etag),
  };
}

/**
 * The content of a control object that was read (`found`) or ignored; null where there is none. For objects that forbid
 * something (marks of unfinished restores, pins): those are obeyed without a valid signature too, such as those from before a
 * key was set. An attacker who could forge one could also remove it. A garbled object is returned as it is stored.
 */
export async function evenUnproven(store: ObjectStore, name: string, found: StoredBody | null): Promise<Buffer | null> {
  if (found !== null) return found.body;
  return 'readUnproven' in store ? (store as AuthenticatedStore).readUnproven(name) : null;
}

/**
 * Signs a control object from before a signing key was set. `edit` maps the stored body, so that encrypted content stays
 * encrypted. Returns false, and writes nothing, if there is no unsigned object of this name or `edit` returns null. Only for
 * an explicit decision of an operator: anybody who can write to the bucket can create such an object.
 */
export function signUnsigned(
  store: ObjectStore,
  name: string,
  edit: (body: Buffer) => Buffer | null = (body) => body,
): Promise<boolean> {
  return 'signUnsigned' in store ? (store as AuthenticatedStore).signUnsigned(name, edit) : Promise.resolve(false);
}

/** The objects that a store ignored; none of a store that does not authenticate. */
export function ignoredObjectsIn(store: ObjectStore): readonly IgnoredObject[] {
  return 'ignoredObjects' in store ? (store as AuthenticatedStore).ignoredObjects() : [];
}

/**
 * Asserts that the object `name` of the second store, which was just read, is not ignored: a copy over it would lose its
 * entries for ever. Throws `wrong-key`. `what` names the object: `The erasure list`.
 */
export function assertNotIgnored(replica: ObjectStore, name: string, what: string): void {
  const ignored = ignoredObjectsIn(replica).find(({ object }) => object === name);
  if (ignored === undefined) return;
  const { why } = ignored;
  const again = 'then replicate again: `npx soulcaster-backup replicate --env-file .env`';
  const message = `${what} of the second store, ${name}, was not replaced: it is ${why}, so its entries would be lost`;
  throw new AppError('wrong-key', message, {
    hint:
      why === 'unsigned'
        ? `If it was written before a signing key was set, adopt it: \`npx soulcaster-backup snapshots adopt --unsigned --replica --reason TEXT --env-file .env\`, ${again}.`
        : `Add the public key of that time to BACKUP_SIGNING_PUBLIC_KEY, ${again}. To give its entries up, remove the object from the second store.`,
  });
}

/**
 * Asserts that a change of the control object `name` by this process keeps what is stored: it is absent, or signed with an
 * accepted key. Throws `wrong-key` for an object that is ignored here, and for a signed object where no key is set: the
 * deployment would ignore the new one. For changes that can be left out; runs and the guard replace ignored objects.
 */
export async function assertBelieved(store: ObjectStore, name: string): Promise<void> {
  const why = 'objectionTo' in store ? await (store as AuthenticatedStore).objectionTo(name) : null;
  if (why === null) return;
  const { hint, words } = UNBELIEVED[why];
  throw new AppError('wrong-key', `${name} was not changed: ${words}, and its content would be lost`, { hint });
}

const COMPARE = '`npx soulcaster-backup doctor --env-file .env` compares the keys with the store';
const UNBELIEVED: Readonly<Record<Objection | 'unchecked', { readonly words: string; readonly hint: string }>> = {
  unchecked: {
    words: 'it is signed, and no signing key is set here',
    hint: `Set BACKUP_SIGNING_KEY to the key of the deployment. ${COMPARE}.`,
  },
  forged: {
    words: 'it is signed with a key that is not accepted here',
    hint: `Set BACKUP_SIGNING_KEY to the key of the deployment, or add the public key of that time to BACKUP_SIGNING_PUBLIC_KEY. ${COMPARE}.`,
  },
  unsigned: {
    words: 'it is not signed, and a signing key is set here',
    hint: 'If it was written before the key was set, adopt it: `npx soulcaster-backup snapshots adopt --unsigned --reason TEXT --env-file .env`. Otherwise the guard replaces it: `npx soulcaster-backup guard --env-file .env`.',
  },
  garbled: {
    words: 'it is not a JSON object',
    hint: 'The guard replaces it: `npx soulcaster-backup guard --env-file .env`.',
  },
};

/**
 * Records that a reader ignores an object because its content is of a form, kind or version that it does not know. It is logged
 * once, like an object without a valid signature. `found` is the object as it was read; `why`, another reason, of a reader that
 * checks a signature itself.
 */
export function passOver(
  store: ObjectStore,
  name: string,
  found: { readonly etag: string },
  why: IgnoredObject['why'] = 'unreadable',
): null {
  if ('passOver' in store) (store as AuthenticatedStore).passOver(name, found.etag, why);
  return null;
}

function noSigningKey(name: string): AppError {
  return new AppError('config', `Only a public signing key is set, so ${name} cannot be written`, {
    hint: 'Set BACKUP_SIGNING_KEY to change state. With the public key alone, snapshots can be listed, verified and tried with a dry run.',
  });
}

/** Why a control object is ignored. */
type Objection = 'garbled' | 'unsigned' | 'forged';

type Opened =
  /** `isUnchecked`: no key is set here. */
  | { readonly ok: true; readonly body: Buffer; readonly isUnchecked: boolean }
  /** `forged`: signed, but not with an accepted key over this name and content. */
  | { readonly ok: false; readonly why: Objection };

/** The largest control object that is parsed; this program writes none that is larger. */
const LARGEST_BYTES = 64 * 1024 * 1024;

/**
 * A control object as it is stored: with one more field, `auth: {signature}`, over its name, a line end and its
 * JSON text without white space. Null when only a public key is set, so that it cannot be signed. Throws `TypeError` for
 * content that is not a JSON object: control state always is.
 */
export function signControl(signer: Signer, name: string, body: Uint8Array): Buffer | null {
  if (signer.verify(new Uint8Array(), '') === null) return Buffer.from(body);
  const content = objectIn(body);
  if (content === null) throw new TypeError(`${name} is not a JSON object`);
  const fields = withoutAuth(content);
  const signature = signer.sign(signedBytes(name, JSON.stringify(fields)));
  return signature === null ? null : encodeJson({ ...fields, auth: { signature } });
}

/** The content of a stored control object without its signature, or why the object is ignored. */
function openControl(signer: Signer, name: string, stored: Buffer): Opened {
  const content = objectIn(stored);
  if (content === null) return { ok: false, why: 'garbled' };
  const { auth, ...fields } = content;
  const text = JSON.stringify(fields);
  const signature = signatureIn(auth);
  // Null: no key is set here, so the signature is not checked.
  const fits = signer.verify(signedBytes(name, text), signature ?? '');
  if (fits === false) return { ok: false, why: signature === null ? 'unsigned' : 'forged' };
  return { ok: true, body: Buffer.from(text), isUnchecked: fits === null };
}

/** The content of a control object without its unchecked signature; unchanged where it is no JSON object. */
function unprovenContent(stored: Buffer): Buffer {
  const content = objectIn(stored);
  if (content === null) return stored;
  return Buffer.from(JSON.stringify(withoutAuth(content)));
}

function withoutAuth(content: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(content).filter(([field]) => field !== 'auth'));
}

function signedBytes(name: string, text: string): Buffer {
  return Buffer.from(`${name}\n${text}`);
}

function signatureIn(auth: unknown): string | null {
  if (typeof auth !== 'object' || auth === null || !('signature' in auth)) return null;
  return typeof auth.signature === 'string' ? auth.signature : null;
}

function objectIn(body: Uint8Array): Record<string, unknown> | null {
  if (body.length > LARGEST_BYTES) return null;
  try {
    const value = decodeJson(body);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
