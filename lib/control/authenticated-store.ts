import { AppError } from '../errors.js';
import type { Log } from '../ports/index.js';
import type { Signer } from '../ports/crypto.js';
import type { CreateResult, ObjectStore, StoredBody } from '../ports/store.js';
import { NO_CIPHER, type ControlCipher, hide, reveal } from './encryption.js';
import {
  acceptsOthers,
  objectIn,
  type Objection,
  openControl,
  signatureIn,
  signControl,
  unprovenContent,
} from './signature.js';

const PREFIXES = ['runs/', 'leases/', 'webhooks/', 'drills/', 'guard/', 'credentials/', 'rotations/'] as const;
const SHORT_LIVED = ['leases/', 'webhooks/', 'guard/state', 'catalog.json'] as const;
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
  /** See `signAgain`. */
  signAgain(name: string): Promise<boolean>;
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
 * with `cipher` before they are signed. An object that is kept long and that another accepted key signed is signed again with
 * the key that is set here when it is read: after a rotation the old key can be removed.
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

  /** The version of a valid control object once the key that is set here has signed it; null if it could not be signed. */
  const renew = async (name: string, { body, etag }: StoredBody): Promise<string | null> => {
    if (!acceptsOthers(signer) || !isKeptLong(name, body)) return etag;
    const bytes = signControl(signer, name, unprovenContent(body));
    if (bytes === null || bytes.equals(body)) return bytes === null ? null : etag;
    try {
      return await store.swap(name, bytes, etag);
    } catch {
      // Reading is what was asked for; the next reader tries again.
      return null;
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
      if ('why' in control) return ignore(name, control.why, found.etag);
      return { ...control, etag: (await renew(name, found)) ?? found.etag };
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
    async signAgain(name) {
      const found = await store.read(name);
      if (found === null || !openControl(signer, name, found.body).ok) return true;
      return (await renew(name, found)) !== null;
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

/**
 * Signs a control object that is kept long and that another accepted key signed with the key that is set here, as each read
 * does. False where it still has that other signature, because it could not be written.
 */
export function signAgain(store: ObjectStore, name: string): Promise<boolean> {
  return 'signAgain' in store ? (store as AuthenticatedStore).signAgain(name) : Promise.resolve(true);
}

/**
 * Whether a control object may outlive a rotation of the signing key. Leases, used webhook ids and unfinished runs do not, and their
 * versions tell who holds them; the guard's state and the catalogue are written again and again.
 */
function isKeptLong(name: string, stored: Buffer): boolean {
  if (SHORT_LIVED.some((prefix) => name.startsWith(prefix))) return false;
  return !name.startsWith('runs/') || typeof objectIn(stored)?.['finishedAt'] === 'string';
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
