import { z } from 'zod';
import { assertNotIgnored, evenUnproven, ignoredObjectsIn } from '../control/authenticated-store.js';
import { overwriteObject, updateObject } from '../control/object.js';
import { AppError, toAppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { Encryptor } from '../ports/crypto.js';
import type { ObjectStore, StoredBody } from '../ports/store.js';
import { sha256 } from './manifest.js';

/** `guard/erasures.json`: users and projects whose data no restore may bring back, with the reasons. */
export const ERASURES_NAME = 'guard/erasures.json';
/** Beside it in a second store: lists that a replication replaced, each under the hash of its content. */
const REPLACED_PREFIX = 'guard/erasures-';
const VERSION = 1;
/** The most projects in active entries; a restore takes no more at a time. */
const MAX_PROJECTS = 1_000;

const decisionSchema = z.object({ reason: z.string(), at: z.string(), by: z.string() });

const erasureSchema = decisionSchema.extend({
  kind: z.enum(['user', 'project']),
  id: z.string().min(1),
  /** Projects whose data are erased: the project itself, or those that belonged to the user alone when the entry was made. */
  projects: z.array(z.string().min(1)),
  /** Jobs and clusters of these projects in all snapshots of that day: a snapshot may hold their keys without naming the project. */
  jobs: z.array(z.string().min(1)).optional(),
  clusters: z.array(z.string().min(1)).optional(),
  /** When and why the entry was withdrawn; null while it is active. */
  withdrawn: decisionSchema.nullable(),
});
/** An entry of the erasure list: whose data every restore leaves out, why, since when (ISO 8601), and who decided it. */
export type Erasure = z.infer<typeof erasureSchema>;

const listSchema = z.object({ version: z.literal(VERSION), entries: z.array(erasureSchema) });

interface ErasurePorts {
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
}

/** Whose data a restore leaves out. A type, not an interface: it is stored as JSON. */
export type ErasedIds = {
  readonly users: readonly string[];
  readonly projects: readonly string[];
  /** Jobs and clusters that the entries tie to the projects. */
  readonly jobs: readonly string[];
  readonly clusters: readonly string[];
};

/**
 * Every entry in the lists of both stores, the oldest first: a replication copies an entry only when it runs next. An
 * entry that is withdrawn in one list is withdrawn. Throws `wrong-key` or `damaged` for a list of the first store that
 * exists and cannot be read: it must not count as empty. A store that cannot be reached, and a list of the second store
 * that cannot be read, are passed over. A list that is encrypted to other recipients than the configured ones is
 * encrypted to these.
 */
export async function loadErasures(
  ports: ErasurePorts,
  other: OtherErasures | null = null,
): Promise<readonly Erasure[]> {
  const own = await loadLists(ports);
  return unite([...own, ...(other === null ? [] : await loadOther(ports, other))]);
}

/** The entries of a user or project that count. Throws as `loadErasures` does. */
export async function loadErasuresOf(
  ports: ErasurePorts,
  subject: Pick<Erasure, 'kind' | 'id'>,
  other: OtherErasures | null = null,
): Promise<readonly Erasure[]> {
  return (await loadErasures(ports, other)).filter((each) => isActiveEntryOf(each, subject));
}

/** The ids in the entries that count. Throws as `loadErasures` does. */
export async function loadErasedIds(ports: ErasurePorts, other: OtherErasures | null = null): Promise<ErasedIds> {
  const entries = (await loadErasures(ports, other)).filter(({ withdrawn }) => withdrawn === null);
  const users = entries.filter(({ kind }) => kind === 'user').map(({ id }) => id);
  const all = (kind: 'projects' | 'jobs' | 'clusters') => distinct(entries.flatMap((entry) => entry[kind] ?? []));
  return { users: distinct(users), projects: all('projects'), jobs: all('jobs'), clusters: all('clusters') };
}

/** The list of one store and, in a second store, those that a replication replaced. Renews what it reads. */
async function loadLists(ports: ErasurePorts): Promise<Erasure[]> {
  const lists: (readonly Erasure[])[] = [];
  for (const name of [...(await replacedNames(ports.store)), ERASURES_NAME]) {
    const found = await ports.store.read(name);
    const entries = await entriesOf(ports, name, found);
    if (found !== null) await renew(ports, name, found, entries);
    lists.push(entries);
  }
  return lists.flat();
}

/**
 * Encrypts a list to the configured recipients if it is encrypted to others, or not at all: an identity that was retired must
 * not be needed to open it, and one that leaked must not open it. Where the list cannot be written, such as with a public
 * signing key alone, it stays as it is.
 */
async function renew(
  ports: ErasurePorts,
  name: string,
  { body, etag }: StoredBody,
  entries: readonly Erasure[],
): Promise<void> {
  const { recipients, suffix } = ports.encryptor;
  if (suffix === '' || sameIds(recipientsIn(body), recipients)) return;
  try {
    await ports.store.swap(name, await encode(ports, entries), etag);
  } catch {
    // Reading is what was asked for; the next reader tries again.
  }
}

/** The recipients that a list is encrypted to; none for one in clear text, or of a version that did not record them. */
function recipientsIn(body: Buffer): readonly string[] {
  const { recipients } = decodeJson(body) as { readonly recipients?: unknown };
  return Array.isArray(recipients) ? recipients.filter((each) => typeof each === 'string') : [];
}

function sameIds(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify(distinct(a)) === JSON.stringify(distinct(b));
}

async function replacedNames(store: ObjectStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(REPLACED_PREFIX)) names.push(name);
  return names;
}

/** Each entry once, withdrawn if one of its copies is, the oldest first. */
function unite(entries: readonly Erasure[]): Erasure[] {
  const byName = new Map<string, Erasure>();
  for (const entry of entries) {
    const name = nameOf(entry);
    if ((byName.get(name)?.withdrawn ?? null) === null) byName.set(name, entry);
  }
  return [...byName.values()].sort((a, b) => (a.at < b.at ? -1 : 1));
}

/**
 * Copies the lists of `from` to `to`: also those that are kept beside its list, since `from` may have been a second store. A
 * list that is there and has another content is kept beside the new one, since it may have entries that the new one lacks,
 * and since lists can be encrypted so that this process cannot read them. Throws `wrong-key` for a list that is there and
 * that no accepted key signed: under another name its signature would never be valid.
 */
export async function copyErasures(from: ObjectStore, to: ObjectStore): Promise<void> {
  for (const name of await replacedNames(from)) {
    const list = await from.read(name);
    // The name is the hash of the content: a list of this name that is there already is the same.
    if (list !== null) await to.create(name, list.body);
  }
  const found = await from.read(ERASURES_NAME);
  const there = await to.read(ERASURES_NAME);
  if (found === null || there?.body.equals(found.body) === true) return;
  // An unsigned list may be of the same content, from before a key was set.
  const known = await evenUnproven(to, ERASURES_NAME, there);
  if (known?.equals(found.body) !== true) assertNotIgnored(to, ERASURES_NAME, 'The erasure list');
  if (there !== null) await to.create(`${REPLACED_PREFIX}${sha256(there.body).slice(0, 16)}.json`, there.body);
  await overwriteObject(to, ERASURES_NAME, found.body);
}

/** The other store, which may have another list: the second for the first, and the reverse. */
export interface OtherErasures {
  /** Null: there is none. Throws where it is misconfigured. */
  readonly store: () => ObjectStore | null;
  /** Whether it is the first store, where entries are made. */
  readonly isFirst: boolean;
  /** Called with the reason why its list was not read. */
  readonly onUnread?: (why: string) => void;
}

async function loadOther({ encryptor }: ErasurePorts, other: OtherErasures): Promise<readonly Erasure[]> {
  try {
    const store = other.store();
    return store === null ? [] : await loadLists({ store, encryptor });
  } catch (cause) {
    const { code, message } = toAppError(cause);
    // An unreadable list of the first store, where entries are made, must not count as empty.
    if (other.isFirst && (code === 'wrong-key' || code === 'damaged')) throw cause;
    other.onUnread?.(message);
    return [];
  }
}

/** Tells an entry from a later one of the same user or project. */
function nameOf({ at, id, kind }: Pick<Erasure, 'at' | 'id' | 'kind'>): string {
  return JSON.stringify([kind, id, at]);
}

const REPLACED = 'replaced by a later entry';

/**
 * Adds an entry. One of the same user or project that counts is withdrawn, and its projects, jobs and clusters count in the
 * new one: the snapshots that named these may be gone. Throws `usage` when the list is full.
 */
export async function saveErasure(ports: ErasurePorts, entry: Omit<Erasure, 'withdrawn'>): Promise<Erasure> {
  let added: Erasure = { ...entry, withdrawn: null };
  const withdrawn = { reason: REPLACED, at: entry.at, by: entry.by };
  await updateList(ports, (entries) => {
    added = withIdsOf(
      { ...entry, withdrawn: null },
      entries.filter((each) => isActiveEntryOf(each, entry)),
    );
    const kept = entries
      .filter((each) => nameOf(each) !== nameOf(entry))
      .map((each) => (isActiveEntryOf(each, entry) ? { ...each, withdrawn } : each));
    const ids = [...kept.filter((each) => each.withdrawn === null), added].flatMap(({ projects }) => projects);
    if (distinct(ids).length <= MAX_PROJECTS) return [...kept, added];
    throw new AppError('usage', `The erasure list would have more than ${MAX_PROJECTS} projects`, {
      hint: 'Withdraw entries whose data no snapshot holds any more: `npx soulcaster-backup erasures list --env-file .env`.',
    });
  });
  return added;
}

function withIdsOf(entry: Erasure, earlier: readonly Erasure[]): Erasure {
  if (earlier.length === 0) return entry;
  const all = (kind: 'projects' | 'jobs' | 'clusters') =>
    distinct([entry, ...earlier].flatMap((each) => each[kind] ?? []));
  return { ...entry, projects: all('projects'), jobs: all('jobs'), clusters: all('clusters') };
}

/**
 * Withdraws what counts of a user or project in the lists of both stores. The entries stay in this store's list with the
 * reason. The newest of them; null when none counts. Throws as `loadErasures` does.
 */
export async function withdrawErasure(
  ports: ErasurePorts,
  subject: Pick<Erasure, 'kind' | 'id'>,
  withdrawn: NonNullable<Erasure['withdrawn']>,
  other: OtherErasures | null = null,
): Promise<Erasure | null> {
  const known = await loadErasures(ports, other);
  let ended: Erasure[] = [];
  await updateList(ports, (entries) => {
    const counting = unite([...entries, ...known]).filter((each) => isActiveEntryOf(each, subject));
    ended = counting.map((each) => ({ ...each, withdrawn }));
    return ended.length === 0 ? null : unite([...ended, ...entries]);
  });
  return ended.at(-1) ?? null;
}

function isActiveEntryOf(entry: Erasure, { kind, id }: Pick<Erasure, 'kind' | 'id'>): boolean {
  return entry.withdrawn === null && entry.kind === kind && entry.id === id;
}

async function updateList(
  ports: ErasurePorts,
  edit: (entries: readonly Erasure[]) => readonly Erasure[] | null,
): Promise<void> {
  await updateObject(ports.store, ERASURES_NAME, 'The erasure list', async (found) => {
    const next = edit(await entriesOf(ports, ERASURES_NAME, found));
    return next === null ? null : encode(ports, next);
  });
}

async function entriesOf(ports: ErasurePorts, name: string, found: StoredBody | null): Promise<readonly Erasure[]> {
  if (found !== null) return decode(ports, name, found);
  const ignored = ignoredObjectsIn(ports.store).find(({ object }) => object === name);
  if (ignored === undefined) return [];
  throw new AppError('wrong-key', `The erasure list, ${name}, cannot be relied on: it is ${ignored.why}`, {
    hint:
      ignored.why === 'unsigned'
        ? 'If it was written before a signing key was set, adopt and check it: `npx soulcaster-backup snapshots adopt --unsigned --reason TEXT --env-file .env`, then `npx soulcaster-backup erasures list --env-file .env`.'
        : 'Add the public key of that time to BACKUP_SIGNING_PUBLIC_KEY, or bring an older version of the object back. To restore without the list, remove the object from the store.',
  });
}

/** Encrypted where snapshots are, so that the store holds no id in clear text. */
async function encode({ encryptor }: ErasurePorts, entries: readonly Erasure[]): Promise<Buffer> {
  const plain = encodeJson({ version: VERSION, entries });
  if (encryptor.suffix === '') return plain;
  const age = Buffer.from(await encryptor.encrypt(plain)).toString('base64');
  return encodeJson({ version: VERSION, recipients: encryptor.recipients, age });
}

async function decode({ encryptor }: ErasurePorts, name: string, { body }: StoredBody): Promise<readonly Erasure[]> {
  const stored = decodeJson(body) as { readonly age?: unknown };
  if (typeof stored.age === 'string' && !encryptor.canOpen) throw encryptedError(name, body);
  const plain =
    typeof stored.age === 'string'
      ? decodeJson(await decrypt(encryptor, name, body, Buffer.from(stored.age, 'base64')))
      : stored;
  const parsed = listSchema.safeParse(plain);
  if (parsed.success) return parsed.data.entries;
  throw new AppError('damaged', `The erasure list, ${name}, has a form that this version does not know`, {
    hint: 'Use the version of soulcaster-backup that wrote it, or a newer one, or bring an older version of the object back.',
  });
}

async function decrypt(encryptor: Encryptor, name: string, body: Buffer, age: Uint8Array): Promise<Uint8Array> {
  try {
    return await encryptor.open(age, '.age');
  } catch (error) {
    if (error instanceof AppError && error.code === 'wrong-key') throw encryptedError(name, body);
    throw error;
  }
}

function encryptedError(name: string, body: Buffer): AppError {
  const recipients = recipientsIn(body);
  const opener = recipients.length === 0 ? 'that opens it' : `of ${recipients.join(' or ')}`;
  return new AppError('wrong-key', `The erasure list, ${name}, is encrypted, and no identity here opens it`, {
    hint: `Add the identity ${opener} to BACKUP_AGE_IDENTITY or its file, then encrypt the list to the present recipients: \`npx soulcaster-backup erasures list --env-file .env\`. To go without the list: remove the object from the store.`,
  });
}

function distinct(ids: readonly string[]): string[] {
  return [...new Set(ids)].sort();
}
