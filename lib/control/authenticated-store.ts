import { AppError } from '../errors.js';
import type { Log } from '../ports/log.js';
import type { Signer } from '../ports/signer.js';
import type { CreateResult, ObjectStore } from '../ports/store.js';
import { NO_CIPHER, type ControlCipher } from './cipher.js';
import { hide, reveal } from './hidden.js';
import { isControlName } from './names.js';
import { decodeJson, encodeJson } from '../json.js';

/**
 * An object that was read and does not count. `unreadable`: JSON of another form, kind or version than is known here;
 * `other-key`: encrypted with a secret that is not set here.
 */
export interface IgnoredObject {
  readonly object: string;
  readonly why: Objection | 'unreadable' | 'other-key';
}

/** A store whose control state counts only when it is ours. */
interface AuthenticatedStore extends ObjectStore {
  /** Names of the control objects that were read through this store and do not count, in the order they were met. */
  ignored(): readonly string[];
  /** The same with the reasons. One that was replaced or removed since is left out once it has been read again. */
  ignoredObjects(): readonly IgnoredObject[];
  /** See `unprovenIn`. */
  readUnproven(name: string): Promise<Buffer | null>;
  /** See `signUnsigned`. */
  signUnsigned(name: string, edit: (body: Buffer) => Buffer | null): Promise<boolean>;
  /** See `passOver`. */
  passOver(name: string, etag: string): void;
}

const CREATE_TRIES = 10;
/** This many names are kept: whoever fills a bucket with junk must not fill our memory as well. */
const MOST_NAMED = 1000;

/**
 * The same store, in which every control object (`isControlName`) is signed when it is written and checked when it is
 * read. One that does not authenticate, or is no JSON object, is not there: `read` gives null, `create` replaces it, and
 * the log hears of it once (`control-object-ignored`). Without any key nothing is signed, and garbled objects alone are
 * not there. Where only a public key is set, writing control state throws `config`. What may hold ids is encrypted with
 * `cipher` before it is signed.
 *
 * Listings are by name: what lists control objects and goes by their number has to read them.
 */
export function authenticatedStore(
  store: ObjectStore,
  signer: Signer,
  log: Log,
  cipher: ControlCipher = NO_CIPHER,
): AuthenticatedStore {
  const ignored = new Map<string, IgnoredObject & { readonly etag: string }>();
  const told = new Set<string>();
  const ignore = (object: string, why: IgnoredObject['why'], etag: string): null => {
    // What forbids something (the erasure list) must not be forgotten over junk.
    if (ignored.size < MOST_NAMED || ignored.has(object) || object.startsWith('guard/'))
      ignored.set(object, { object, why, etag });
    if (told.has(object) || told.size >= MOST_NAMED) return null;
    told.add(object);
    log.warn('control-object-ignored', { object, why });
    return null;
  };
  /** What was met before and is another object by now, or none, is no longer to be told of. */
  const forget = (object: string, etag: string | null): void => {
    if (ignored.get(object)?.etag !== etag) ignored.delete(object);
  };
  const sealed = (name: string, body: Uint8Array): Buffer => {
    const bytes = signControl(signer, name, hide(cipher, name, body));
    if (bytes === null) throw readerOnly(name);
    return bytes;
  };
  const opened = (name: string, stored: Buffer): { readonly body: Buffer } | { readonly why: IgnoredObject['why'] } => {
    try {
      const authentic = openControl(signer, name, stored);
      if (!authentic.ok) return authentic;
      const body = reveal(cipher, name, authentic.body);
      return body === null ? { why: 'other-key' } : { body };
    } catch (error) {
      // Nested so deeply that it cannot be gone through.
      if (error instanceof RangeError) return { why: 'garbled' };
      throw error;
    }
  };

  async function createControl(name: string, body: Uint8Array): Promise<CreateResult> {
    const bytes = sealed(name, body);
    for (let attempt = 1; attempt <= CREATE_TRIES; attempt++) {
      const outcome = await store.create(name, bytes);
      if (outcome.created) return outcome;
      const found = await store.read(name);
      if (found === null) continue;
      const taken = opened(name, found.body);
      if ('body' in taken) return { created: false };
      ignore(name, taken.why, found.etag);
      const etag = await store.swap(name, bytes, found.etag);
      if (etag !== null) return { created: true, etag };
    }
    throw new AppError('store-unavailable', `${name} comes and goes while it is being created`, {
      hint: 'Other processes create and remove the same object; try again when they are done.',
      transient: true,
    });
  }

  return {
    ...store,
    async read(name) {
      const found = await store.read(name);
      forget(name, found?.etag ?? null);
      if (found === null || !isControlName(name)) return found;
      const control = opened(name, found.body);
      return 'body' in control ? { ...control, etag: found.etag } : ignore(name, control.why, found.etag);
    },
    create: (name, body) => (isControlName(name) ? createControl(name, body) : store.create(name, body)),
    swap: async (name, body, etag) => store.swap(name, isControlName(name) ? sealed(name, body) : body, etag),
    ignored: () => [...ignored.keys()],
    ignoredObjects: () => [...ignored.values()].map(({ object, why }) => ({ object, why })),
    async readUnproven(name) {
      // Most are not there at all: then nothing was met.
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
      if (next !== null && bytes === null) throw readerOnly(name);
      if (bytes === null || (await store.swap(name, bytes, found.etag)) === null) return false;
      ignored.delete(name);
      return true;
    },
    passOver: (name, etag) => void ignore(name, 'unreadable', etag),
  };
}

/**
 * What a control object says that was read as absent, if it is there. For those that forbid something (marks of unfinished restores,
 * pins): such a one counts though nobody vouches for it, as one from before a key was set does not. Whoever could forge it could
 * remove it as well. One that is garbled comes as it is; null where there is none, or none was met.
 */
export function unprovenIn(store: ObjectStore, name: string): Promise<Buffer | null> {
  return 'readUnproven' in store ? (store as AuthenticatedStore).readUnproven(name) : Promise.resolve(null);
}

/**
 * Signs a control object that has no signature, as one from before a key was set has none: what `edit` makes of the object as it
 * is stored, so that what is encrypted stays so. False, and nothing is written, where there is no such object, or `edit` gives null. For an
 * operator's word alone: whoever writes the bucket can put such an object there.
 */
export function signUnsigned(
  store: ObjectStore,
  name: string,
  edit: (body: Buffer) => Buffer | null = (body) => body,
): Promise<boolean> {
  return 'signUnsigned' in store ? (store as AuthenticatedStore).signUnsigned(name, edit) : Promise.resolve(false);
}

/** What `ignored` of a store says, if it is one that authenticates. */
export function ignoredIn(store: ObjectStore): readonly string[] {
  return ignoredObjectsIn(store).map(({ object }) => object);
}

/** What `ignoredObjects` of a store says, if it is one that authenticates. */
export function ignoredObjectsIn(store: ObjectStore): readonly IgnoredObject[] {
  return 'ignoredObjects' in store ? (store as AuthenticatedStore).ignoredObjects() : [];
}

/**
 * Reports an object that a reader passes over, since its content is of a form, kind or version that it does not know. The
 * log hears of it once, as of what does not authenticate. `found` is the object as it was read.
 */
export function passOver(store: ObjectStore, name: string, found: { readonly etag: string }): null {
  if ('passOver' in store) (store as AuthenticatedStore).passOver(name, found.etag);
  return null;
}

function readerOnly(name: string): AppError {
  return new AppError('config', `Only a public signing key is set, so ${name} cannot be written`, {
    hint: 'Set BACKUP_SIGNING_KEY for what changes state; with the public key alone snapshots can be listed, verified and tried with a dry run.',
  });
}

/** Why a control object does not count. */
type Objection = 'garbled' | 'unsigned' | 'forged';

export type Opened =
  | { readonly ok: true; readonly body: Buffer }
  /** `forged`: signed, but not with an accepted key over this name and content. */
  | { readonly ok: false; readonly why: Objection };

/** A larger one is none of ours: to parse it would only cost memory. */
const LARGEST_BYTES = 64 * 1024 * 1024;

/**
 * A control object as it goes into the store: with one more field, `auth: {signature}`, over its name, a line end and its
 * JSON text without white space. Null when it has to be signed and cannot be: only a public key is set. Throws
 * `TypeError` for what is not a JSON object, which control state always is.
 */
export function signControl(signer: Signer, name: string, body: Uint8Array): Buffer | null {
  if (signer.verify(new Uint8Array(), '') === null) return Buffer.from(body);
  const content = objectIn(body);
  if (content === null) throw new TypeError(`${name} is not a JSON object`);
  const fields = withoutAuth(content);
  const signature = signer.sign(signedBytes(name, JSON.stringify(fields)));
  return signature === null ? null : encodeJson({ ...fields, auth: { signature } });
}

/** The content of a stored control object without its signature, or why it does not count. */
function openControl(signer: Signer, name: string, stored: Buffer): Opened {
  const content = objectIn(stored);
  if (content === null) return { ok: false, why: 'garbled' };
  const { auth, ...fields } = content;
  const text = JSON.stringify(fields);
  const signature = signatureIn(auth);
  // Null: no key is set here, so there is nothing to judge by.
  const fits = signer.verify(signedBytes(name, text), signature ?? '');
  if (fits === false) return { ok: false, why: signature === null ? 'unsigned' : 'forged' };
  return { ok: true, body: Buffer.from(text) };
}

/** The content of a control object without its signature, whoever made that; as it is where it is no JSON object. */
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
