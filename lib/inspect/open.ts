import { AppError, type ErrorCode } from '../errors.js';
import type { ObjectStore, Ports, Encryptor } from '../ports/index.js';
import { assertIdentity, assertSignature, findSnapshot } from '../restore/choose.js';
import { catalogEntry, refusedError, type FullEntry } from '../snapshot/catalog.js';
import type { Manifest } from '../snapshot/manifest.js';
import type { PassedOver } from '../snapshot/latest.js';
import { isFoundDamaged } from '../snapshot/trust.js';
import { selectedIn, undoneScope } from '../restore/undo-scope.js';
import { projectsOf } from '../restore/scope.js';
import { classifyKey } from '../soulcaster/keys.js';
import { keyMatcher, selectsAll, type FactsByProject, type KeyMatcher } from '../soulcaster/selection.js';
import { listWords, selectionWords } from '../soulcaster/selection-words.js';

export type InspectPorts = Pick<Ports, 'clock' | 'encryptor' | 'signer' | 'store'>;

/** A snapshot with a valid manifest, and the store and identity to read its parts with. */
export interface OpenSnapshot {
  readonly manifest: Manifest;
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
}

interface Opened {
  readonly snapshot: OpenSnapshot;
  /** Newer snapshots that `latest` passed over. */
  readonly passedOver: readonly PassedOver[];
  /** Whether its last verification found it damaged; the parts that can be read are still checked against their hashes. */
  readonly foundDamaged: boolean;
}

/**
 * Opens a snapshot for reading: an id, the beginning of one, `latest`, `newest`, or with `at` (ISO 8601) the one that was
 * `latest` then. It may be incomplete, doubtful or of another database. `own`: the source of the configured database, or
 * null. Throws `not-found`, `usage`, `damaged` and `newer-format` for an invalid manifest, and `wrong-key` where its
 * signature, or its encryption, matches no key that is set here.
 */
export async function openSnapshot(
  ports: InspectPorts,
  own: string | null,
  wanted: string,
  at: string | null = null,
): Promise<Opened> {
  const { id, passedOver } = await findSnapshot(ports, own, wanted, at);
  const entry = await catalogEntry(ports.store, id);
  if (entry === null) {
    throw new AppError('not-found', `Snapshot ${id} was removed a moment ago`, {
      hint: 'List the remaining snapshots: `npx soulcaster-backup snapshots list --env-file .env`.',
    });
  }
  return { snapshot: openEntry(ports, entry), passedOver, foundDamaged: isFoundDamaged(entry) };
}

/** Opens the snapshot of a catalogue entry. Throws as `openSnapshot` does. */
function openEntry(ports: Pick<InspectPorts, 'encryptor' | 'signer' | 'store'>, entry: FullEntry): OpenSnapshot {
  const { manifest } = entry;
  if (entry.refusal !== undefined) throw refusedError(entry.id, entry.refusal);
  if (manifest === null) {
    throw new AppError(
      entry.newerFormat ? 'newer-format' : 'damaged',
      `The manifest of snapshot ${entry.id} cannot be read`,
      {
        hint: entry.newerFormat
          ? 'Use the version of soulcaster-backup that wrote it, or a newer one.'
          : 'It was altered or cut short. Bring the older version of the object back, or use another snapshot.',
      },
    );
  }
  assertSignature(ports, manifest, entry);
  assertIdentity(ports.encryptor, manifest);
  return { manifest, store: ports.store, encryptor: ports.encryptor };
}

/** The same store, whose reads throw the error of `why` once the signal is aborted. */
export function stoppableStore(store: ObjectStore, signal: AbortSignal, why: () => AppError): ObjectStore {
  return { ...store, read: (name) => (signal.aborted ? Promise.reject(why()) : store.read(name)) };
}

/** Errors that concern one snapshot only. */
const SINGLE_SNAPSHOT_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['damaged', 'store-denied', 'wrong-key']);

/** Whether an error means that one snapshot cannot be read, while others may be readable. */
export function isOfOneSnapshot(error: unknown): error is AppError {
  return error instanceof AppError && SINGLE_SNAPSHOT_CODES.has(error.code);
}

export interface OpenedMany {
  readonly opened: OpenSnapshot[];
  /** Snapshots that cannot be opened, and why. */
  readonly skipped: { readonly id: string; readonly why: string }[];
}

/** Opens the snapshots of these entries, in their order. Throws the last refusal where none of them can be opened. */
export function openEach(
  ports: Pick<InspectPorts, 'encryptor' | 'signer' | 'store'>,
  entries: readonly FullEntry[],
): OpenedMany {
  const opened: OpenSnapshot[] = [];
  const skipped: { id: string; why: string }[] = [];
  let last: AppError | null = null;
  for (const entry of entries) {
    try {
      opened.push(openEntry(ports, entry));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      last = error;
      skipped.push({ id: entry.id, why: error.message });
    }
  }
  if (opened.length === 0 && last !== null) throw last;
  return { opened, skipped };
}

/** The keys that a snapshot of a part of a database can hold. That it lacks another key proves nothing about that key. */
export interface Held {
  /** Id of the snapshot. */
  readonly snapshot: string;
  readonly words: string;
  /** Projects whose facts `matcher` needs. */
  readonly projects: readonly string[];
  /** Keys that the snapshot may lack although they existed are `other`. */
  matcher(facts: FactsByProject): KeyMatcher;
}

/** The sides of a comparison that hold a part of a database: to limit the comparison, and to report. */
export async function findPartialSides(before: OpenSnapshot, other: Held | null) {
  const within = [await heldIn(before), other].filter((held) => held !== null);
  return { within, partial: within.map(({ snapshot, words }) => ({ snapshot, holds: words })) };
}

/**
 * Null for a snapshot of a whole database. Where the selection of an imported export is not known, `words` says so, and
 * every key matches.
 */
export async function heldIn({ encryptor, manifest }: OpenSnapshot): Promise<Held | null> {
  const { id, imported, partial, undoes } = manifest;
  if (partial === true && undoes !== undefined) {
    const undone = await undoneScope(encryptor, undoes);
    const projects = new Set(undone === null ? [] : projectsOf(undone));
    const words = `keys of ${listWords('project', 'projects', [...projects])} and keys that name no project`;
    const matcher = (): KeyMatcher => (key, known) => {
      const { project } = known ?? classifyKey(key.toString('utf8'));
      return project === null || projects.has(project) ? 'owned' : 'other';
    };
    return { snapshot: id, words, projects: [], matcher };
  }
  if (imported?.selection === undefined) return null;
  const selected = await selectedIn(encryptor, imported);
  if (selected === null || selectsAll(selected)) {
    const words = 'an unknown selection of keys, so that a key which it lacks may exist';
    return { snapshot: id, words, projects: [], matcher: () => () => 'owned' };
  }
  const matcher = (facts: FactsByProject): KeyMatcher => {
    const matches = keyMatcher(selected, facts);
    // An export contains only the selected projects of users' lists.
    return (key, known) => (matches(key, known) === 'owned' ? 'owned' : 'other');
  };
  return { snapshot: id, words: selectionWords(selected), projects: selected.projects, matcher };
}
