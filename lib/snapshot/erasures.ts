import { z } from 'zod';
import { ignoredObjectsIn } from '../control/authenticated-store.js';
import { updateObject } from '../control/object.js';
import { AppError, toAppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { Encryptor } from '../ports/encryptor.js';
import type { ObjectStore, StoredBody } from '../ports/store.js';

/** `guard/erasures.json`: users and projects whose data no restore may bring back, with the reasons. */
export const ERASURES_NAME = 'guard/erasures.json';
const VERSION = 1;
/** The most projects in active entries; a restore takes no more at a time. */
const MAX_PROJECTS = 1_000;

const decisionSchema = z.object({ reason: z.string(), at: z.string(), by: z.string() });

const erasureSchema = decisionSchema.extend({
  kind: z.enum(['user', 'project']),
  id: z.string().min(1),
  /** Projects whose data are erased: the project itself, or those that belonged to the user alone when the entry was made. */
  projects: z.array(z.string().min(1)),
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
export type ErasedIds = { readonly users: readonly string[]; readonly projects: readonly string[] };

/** All entries, oldest first. Throws `wrong-key` or `damaged` for a list that cannot be read: it must not count as empty. */
export async function loadErasures(ports: ErasurePorts): Promise<readonly Erasure[]> {
  return entriesOf(ports, await ports.store.read(ERASURES_NAME));
}

/**
 * The ids of the active entries in the lists of both stores: an entry reaches the other store only with the next replication. An
 * entry that is withdrawn in one list is withdrawn. Throws as `loadErasures` does, for the first store's list as well; a store
 * that cannot be reached, and an unreadable list of the second store, are skipped.
 */
export async function loadErasedIds(ports: ErasurePorts, other: OtherErasures | null = null): Promise<ErasedIds> {
  const own = await loadErasures(ports);
  const theirs = other === null ? [] : await loadOther(ports, other);
  const ended = new Set([...own, ...theirs].filter(({ withdrawn }) => withdrawn !== null).map(nameOf));
  const entries = [...own, ...theirs].filter((entry) => !ended.has(nameOf(entry)));
  const users = entries.filter(({ kind }) => kind === 'user').map(({ id }) => id);
  return { users: distinct(users), projects: distinct(entries.flatMap(({ projects }) => projects)) };
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
    return store === null ? [] : await loadErasures({ store, encryptor });
  } catch (cause) {
    const { code, message } = toAppError(cause);
    // An unreadable list of the first store, where entries are made, must not count as empty.
    if (other.isFirst && (code === 'wrong-key' || code === 'damaged')) throw cause;
    other.onUnread?.(message);
    return [];
  }
}

/** Identifies an entry; a later one of the same user or project has another name. */
function nameOf({ at, id, kind }: Erasure): string {
  return JSON.stringify([kind, id, at]);
}

/** Adds an entry, or replaces the active one of the same user or project. Throws `usage` when the list is full. */
export async function saveErasure(ports: ErasurePorts, entry: Omit<Erasure, 'withdrawn'>): Promise<Erasure> {
  const added = { ...entry, withdrawn: null };
  await updateList(ports, (entries) => {
    const kept = entries.filter((each) => !isActiveEntryOf(each, entry));
    const ids = [...kept.filter(({ withdrawn }) => withdrawn === null), added].flatMap(({ projects }) => projects);
    if (distinct(ids).length <= MAX_PROJECTS) return [...kept, added];
    throw new AppError('usage', `The erasure list would have more than ${MAX_PROJECTS} projects`, {
      hint: 'Withdraw entries whose data no snapshot holds any more. List them: `npx soulcaster-backup erasures list --env-file .env`.',
    });
  });
  return added;
}

/** Withdraws an entry, which stays in the list with the reason; null when there is no active one. */
export async function withdrawErasure(
  ports: ErasurePorts,
  subject: Pick<Erasure, 'kind' | 'id'>,
  decision: NonNullable<Erasure['withdrawn']>,
): Promise<Erasure | null> {
  let ended: Erasure | null = null;
  await updateList(ports, (entries) => {
    const found = entries.find((each) => isActiveEntryOf(each, subject));
    ended = found === undefined ? null : { ...found, withdrawn: decision };
    return ended === null ? null : entries.map((each) => (each === found && ended !== null ? ended : each));
  });
  return ended;
}

function isActiveEntryOf(entry: Erasure, { kind, id }: Pick<Erasure, 'kind' | 'id'>): boolean {
  return entry.withdrawn === null && entry.kind === kind && entry.id === id;
}

async function updateList(
  ports: ErasurePorts,
  edit: (entries: readonly Erasure[]) => readonly Erasure[] | null,
): Promise<void> {
  await updateObject(ports.store, ERASURES_NAME, 'The erasure list', async (found) => {
    const next = edit(await entriesOf(ports, found));
    return next === null ? null : encode(ports, next);
  });
}

async function entriesOf(ports: ErasurePorts, found: StoredBody | null): Promise<readonly Erasure[]> {
  if (found !== null) return decode(ports, found);
  const ignored = ignoredObjectsIn(ports.store).find(({ object }) => object === ERASURES_NAME);
  if (ignored === undefined) return [];
  throw new AppError('wrong-key', `The erasure list, ${ERASURES_NAME}, cannot be used: it is ${ignored.why}`, {
    hint:
      ignored.why === 'unsigned'
        ? 'If it was written before a signing key was set, `erasures list` shows it without that key. Remove the object from the store and add its users and projects again.'
        : 'Add the public key of that time to BACKUP_SIGNING_PUBLIC_KEY, or bring an older version of the object back. To restore without the list, remove the object from the store.',
  });
}

/** Encrypted where snapshots are, so that the store holds no id in clear text. */
async function encode({ encryptor }: ErasurePorts, entries: readonly Erasure[]): Promise<Buffer> {
  const plain = encodeJson({ version: VERSION, entries });
  if (encryptor.suffix === '') return plain;
  return encodeJson({ version: VERSION, age: Buffer.from(await encryptor.encrypt(plain)).toString('base64') });
}

async function decode({ encryptor }: ErasurePorts, { body }: StoredBody): Promise<readonly Erasure[]> {
  const stored = decodeJson(body) as { readonly age?: unknown };
  if (typeof stored.age === 'string' && !encryptor.canOpen) throw encryptedError();
  const plain =
    typeof stored.age === 'string' ? decodeJson(await decrypt(encryptor, Buffer.from(stored.age, 'base64'))) : stored;
  const parsed = listSchema.safeParse(plain);
  if (parsed.success) return parsed.data.entries;
  throw new AppError('damaged', `The erasure list, ${ERASURES_NAME}, has a form that this version does not know`, {
    hint: 'Use the version of soulcaster-backup that wrote it or a newer one, or bring an older version of the object back.',
  });
}

async function decrypt(encryptor: Encryptor, body: Uint8Array): Promise<Uint8Array> {
  try {
    return await encryptor.open(body, '.age');
  } catch (error) {
    if (error instanceof AppError && error.code === 'wrong-key') throw encryptedError();
    throw error;
  }
}

function encryptedError(): AppError {
  return new AppError('wrong-key', `The erasure list, ${ERASURES_NAME}, is encrypted, and no identity here opens it`, {
    hint: 'Set BACKUP_AGE_IDENTITY to the identity that opens it. To restore without the list, remove the object from the store.',
  });
}

function distinct(ids: readonly string[]): string[] {
  return [...new Set(ids)].sort();
}
