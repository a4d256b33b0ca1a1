import { AppError, type ErrorCode } from '../errors.js';
import type { ObjectStore, Ports, Encryptor } from '../ports/index.js';
import { assertIdentity, assertSignature, findSnapshot } from '../restore/choose.js';
import { catalogEntry, refusedError, type FullEntry } from '../snapshot/catalog.js';
import type { Manifest } from '../snapshot/manifest.js';
import type { PassedOver } from '../snapshot/latest.js';
import { isFoundDamaged } from '../snapshot/trust.js';

export type InspectPorts = Pick<Ports, 'clock' | 'encryptor' | 'signer' | 'store'>;

/** A snapshot whose manifest is believed, and what its parts are read with. */
export interface OpenSnapshot {
  readonly manifest: Manifest;
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
}

export interface Opened {
  readonly snapshot: OpenSnapshot;
  /** Newer ones that `latest` did not take. */
  readonly passedOver: readonly PassedOver[];
  /** Whether its last verification found it damaged: what is read of it is as it was written all the same. */
  readonly foundDamaged: boolean;
}

/**
 * Opens a snapshot to look into it: an id, the beginning of one, `latest`, `newest`, or with `at` (ISO 8601) what was `latest`
 * then. One that is incomplete, doubtful or of another database may be looked into as well. `own`: the source of the
 * database that is configured, or null. Throws `not-found`, `usage`, `damaged` and `newer-format` for a manifest that
 * cannot be believed, and `wrong-key` where its signature, or its encryption, fits no key that is set here.
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
      hint: 'See `npx soulcaster-backup snapshots list --env-file .env` for those that are left.',
    });
  }
  return { snapshot: openEntry(ports, entry), passedOver, foundDamaged: isFoundDamaged(entry) };
}

/** The same for a snapshot of which the catalogue's entry is at hand. */
export function openEntry(ports: Pick<InspectPorts, 'encryptor' | 'signer' | 'store'>, entry: FullEntry): OpenSnapshot {
  const { manifest } = entry;
  if (entry.refusal !== undefined) throw refusedError(entry.id, entry.refusal);
  if (manifest === null) {
    throw new AppError(
      entry.newerFormat ? 'newer-format' : 'damaged',
      `The manifest of snapshot ${entry.id} cannot be read`,
      {
        hint: entry.newerFormat
          ? 'Use the version of soulcaster-backup that wrote it, or a newer one.'
          : 'It was altered or cut: bring the older version of the object back, or look into another snapshot.',
      },
    );
  }
  assertSignature(ports, manifest, entry);
  assertIdentity(ports.encryptor, manifest);
  return { manifest, store: ports.store, encryptor: ports.encryptor };
}

/** The same store, which gives out no object any more once the signal is aborted: a read then throws what `why` gives. */
export function stoppableStore(store: ObjectStore, signal: AbortSignal, why: () => AppError): ObjectStore {
  return { ...store, read: (name) => (signal.aborted ? Promise.reject(why()) : store.read(name)) };
}

/** What is wrong with a snapshot by itself, and with no other. */
const ITS_OWN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['damaged', 'store-denied', 'wrong-key']);

/** Whether an error says of one snapshot that it cannot be read, so that another may do. */
export function isOfOneSnapshot(error: unknown): error is AppError {
  return error instanceof AppError && ITS_OWN.has(error.code);
}

export interface OpenedMany {
  readonly opened: OpenSnapshot[];
  /** Those that cannot be opened, and why. */
  readonly skipped: { readonly id: string; readonly why: string }[];
}

/** Those of the entries that can be opened, in their order. Throws the last refusal where there are some and none can. */
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
