import { AppError } from '../errors.js';
import type { Clock, ObjectStore, Encryptor, Signer } from '../ports/index.js';
import { encodeJson } from '../json.js';
import { findPreviousLink } from '../snapshot/catalog.js';
import { checkPart } from '../snapshot/check-part.js';
import { writeKeyIndex } from '../snapshot/key-index.js';
import { encryptName } from '../snapshot/ledger.js';
import {
  loadManifest,
  signManifest,
  sha256,
  type Imported,
  type Ledger,
  type Manifest,
  type ManifestBody,
  type Part,
} from '../snapshot/manifest.js';
import { adoptedName, manifestName, partFile, partName } from '../snapshot/names.js';
import { projectLabel } from '../snapshot/counts.js';
import { fromText } from '../soulcaster/text.js';
import { writeVerification } from '../snapshot/statements.js';
import type { Staged } from './stage.js';

/** The fencing number of objects that no run wrote. */
const FENCE = 1;

interface PublishPorts {
  readonly clock: Clock;
  readonly encryptor: Encryptor;
  readonly signer: Signer;
  readonly store: ObjectStore;
}

/**
 * Writes the manifest of a staged file beside its parts, so that the scratch store holds a snapshot that can be restored.
 * With only a public key nothing can be signed; the snapshot counts as adopted, since only this process can have written it.
 */
export async function finalizeStaged(
  { clock, signer }: Pick<PublishPorts, 'clock' | 'signer'>,
  { body, store }: Staged,
): Promise<Manifest> {
  const bytes = signManifest(body, signer);
  await store.create(manifestName(body.id), bytes);
  const at = new Date(clock.now()).toISOString();
  await store.create(adoptedName(body.id), encodeJson({ manifestSha256: sha256(bytes), at }));
  await writeVerification(store, body.id, { state: 'verified', at, run: body.id, depth: 'lines', findings: [] });
  return loadWrittenManifest(store, body.id);
}

/**
 * Copies a staged file into a store as a snapshot, encrypted and signed like any other, and reads it back. `signal` stops
 * the copy. After any failure the written objects are removed; without a manifest they are not a snapshot.
 */
export async function publishStaged(ports: PublishPorts, staged: Staged, signal: AbortSignal): Promise<Manifest> {
  const { store } = ports;
  const { id } = staged.body;
  try {
    return await publish(ports, staged, signal);
  } catch (error) {
    if ((await store.read(manifestName(id)).catch(() => null)) === null) await removeSnapshot(store, id);
    throw error;
  }
}

async function publish(
  ports: PublishPorts,
  { body, sections, store: scratch }: Staged,
  signal: AbortSignal,
): Promise<Manifest> {
  const { clock, encryptor, signer, store } = ports;
  const { id } = body;
  const parts: Part[] = [];
  for (const [number, part] of body.parts.entries()) {
    if (signal.aborted) throw signal.reason;
    const found = await scratch.read(partName(id, part.name));
    const encrypted = await encryptor.encrypt(found?.body ?? Buffer.alloc(0));
    const name = partFile(number, FENCE, encryptor.suffix);
    if (!(await store.create(partName(id, name), encrypted)).created)
      throw new AppError('fenced', `Another process is writing snapshot ${id}`, { hint: 'Import again.' });
    parts.push({ ...part, name, stored: { bytes: encrypted.length, sha256: sha256(encrypted) } });
  }
  const keyIndex = await writeKeyIndex(ports, { id, fence: FENCE }, sections);
  const depth = await readBack(ports, id, parts, signal);
  const manifestBody: ManifestBody = {
    ...body,
    parts,
    keyIndex,
    counts: encryptor.suffix === '' ? body.counts : { ...body.counts, byProject: labelProjects(body.counts.byProject) },
    ledger: await encryptLedger(encryptor, body.ledger),
    recipients: [...encryptor.recipients],
    ...(body.imported === undefined || encryptor.suffix === ''
      ? {}
      : { imported: await hideNames(encryptor, body.imported) }),
    readBackAt: new Date(clock.now()).toISOString(),
    previous: await findPreviousLink(store, id),
  };
  await store.create(manifestName(id), signManifest(manifestBody, signer));
  const manifest = await loadWrittenManifest(store, id);
  const at = new Date(clock.now()).toISOString();
  await writeVerification(store, id, { state: 'verified', at, run: id, depth, findings: [] });
  return manifest;
}

async function readBack(
  { encryptor, store }: PublishPorts,
  id: string,
  parts: readonly Part[],
  signal: AbortSignal,
): Promise<'lines' | 'stored-bytes'> {
  let depth: 'lines' | 'stored-bytes' = 'lines';
  for (const part of parts) {
    if (signal.aborted) throw signal.reason;
    const { findings, index } = await checkPart({ store, encryptor }, id, part, parts);
    if (findings[0] !== undefined) {
      throw new AppError(
        'damaged',
        `The store did not give back what was written: ${findings[0].code} ${findings[0].subject}`,
        {
          hint: 'Check the bucket (versioning, lifecycle rules, other writers) and import again.',
        },
      );
    }
    if (index === null) depth = 'stored-bytes';
  }
  return depth;
}

async function loadWrittenManifest(store: ObjectStore, id: string): Promise<Manifest> {
  const loaded = await loadManifest(store, id);
  if (loaded !== null && loaded.manifest.seal.sha256 === sha256(loaded.sealed)) return loaded.manifest;
  throw new AppError('damaged', `The manifest of snapshot ${id} did not come back as it was written`, {
    hint: 'Check the bucket: another program or a proxy alters objects. Then import again.',
  });
}

/** A reader of the store must not learn the file's name or the selection. */
async function hideNames(
  encryptor: Encryptor,
  { bytes, format, layers, selected, selection, sha256: sum }: Imported,
): Promise<Imported> {
  return {
    bytes,
    sha256: sum,
    format,
    layers,
    ...(selection === undefined ? {} : { selection: '' }),
    ...(typeof selected === 'string' ? { selected: await encryptName(encryptor, Buffer.from(selected)) } : {}),
  };
}

function labelProjects(projects: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(projects).map(([project, count]) => [projectLabel(project), count]));
}

async function encryptLedger(encryptor: Encryptor, ledger: Ledger): Promise<Ledger> {
  const encryptKeys = async (list: Ledger['failed']): Promise<Ledger['failed']> => {
    const keys: Ledger['failed']['keys'] = [];
    for (const { key, reason } of list.keys) {
      const plain = typeof key === 'object' && 'age' in key ? Buffer.alloc(0) : fromText(key);
      keys.push({ key: await encryptName(encryptor, plain), reason });
    }
    return { ...list, keys };
  };
  return {
    ...ledger,
    failed: await encryptKeys(ledger.failed),
    unsupported: { ...ledger.unsupported, ...(await encryptKeys(ledger.unsupported)) },
  };
}

async function removeSnapshot(store: ObjectStore, id: string): Promise<void> {
  try {
    for await (const { name } of store.list(`snapshots/${id}/`)) await store.remove(name);
  } catch {
    // Parts without a manifest are not a snapshot.
  }
}
