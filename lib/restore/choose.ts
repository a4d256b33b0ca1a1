import { AppError } from '../errors.js';
import type { Ports, RedisPort } from '../ports/index.js';
import { isId, isCalendarDate } from '../runs/ids.js';
import { readAdoptedSources, shortSource, sourceOf, sourceWords } from '../snapshot/source.js';
import { catalogEntry, refusedError, type FullEntry } from '../snapshot/catalog.js';
import { checkChain } from '../snapshot/chain.js';
import { countOf, projectLabel } from '../snapshot/counts.js';
import { loadManifest, sha256, type Manifest } from '../snapshot/manifest.js';
import { manifestName, partName, suffixOf } from '../snapshot/names.js';
import { selectSnapshot, type Selected } from '../snapshot/select.js';
import { isFoundDamaged, findSignatureProblem, trustContext } from '../snapshot/trust.js';
import { lacksSavableKeys, unsavedWords } from '../snapshot/ledger.js';
import type { RestoreInput } from './model.js';

export type ChoosePorts = Pick<Ports, 'encryptor' | 'signer' | 'store'>;

/**
 * Finds the snapshot: an id, `latest`, `newest`, or the `latest` of a given time (ISO 8601), with the newer snapshots
 * that were passed over. `own` is the source of the protected database; null when none is configured.
 */
export async function findSnapshot(
  ports: ChoosePorts & Pick<Ports, 'clock'>,
  own: string | null,
  wanted: string,
  at: string | null,
): Promise<Selected> {
  const context = await trustContext(ports, own);
  if (at === null) return selectSnapshot(context, wanted);
  const time = Date.parse(at);
  if (Number.isNaN(time) || !isCalendarDate(at)) {
    throw new AppError('usage', `${JSON.stringify(at.slice(0, 40))} is not a time`, {
      hint: 'Give an ISO 8601 time with an offset or Z, such as 2026-11-22T02:00:00Z.',
    });
  }
  return selectSnapshot(context, 'latest', time);
}

/**
 * The manifest of a snapshot that may be restored. Throws `not-found`, `newer-format`, `damaged` (altered), `wrong-key`
 * (not signed with a configured key, or no identity opens its parts) and `not-restorable` (found damaged by its last
 * verification, or incomplete because it lacks keys that it could hold).
 */
export async function chooseManifest(ports: ChoosePorts, id: string, allowIncomplete: boolean): Promise<Manifest> {
  const loaded = isId(id) ? await loadManifest(ports.store, id) : null;
  const entry = loaded === null ? null : await catalogEntry(ports.store, id);
  if (loaded === null || entry === null) {
    throw new AppError('not-found', `There is no snapshot ${JSON.stringify(id.slice(0, 64))}`, {
      hint: 'See `npx soulcaster-backup snapshots list --env-file .env` for the ids there are.',
    });
  }
  if (entry.refusal !== undefined) throw refusedError(id, entry.refusal);
  assertSignature(ports, loaded.manifest, entry);
  checkWhole(loaded.manifest, entry, allowIncomplete);
  await checkLinks(ports, id);
  await checkKey(ports, loaded.manifest);
  return loaded.manifest;
}

/** Throws `not-confirmed` for a snapshot of another database, unless the request confirms it or names a target. */
export async function assertSource(
  { store }: Pick<Ports, 'store'>,
  manifest: Manifest,
  redis: Pick<RedisPort, 'host'>,
  { fromSource, target }: Pick<RestoreInput, 'fromSource' | 'target'>,
): Promise<void> {
  if (fromSource || target !== null) return;
  const own = sourceOf(redis.host);
  if ((await readAdoptedSources(store, own)).has(manifest.source)) return;
  const whose = sourceWords(manifest, own);
  throw new AppError(
    'not-confirmed',
    `Snapshot ${manifest.id} is of another database: ${whose}. It would be restored into ${redis.host}, source ${shortSource(own)}`,
    {
      hint: `To restore it anyway, confirm with --from-source on the command line or "fromSource": true in a request. If ${redis.host} is that database under a new host: \`npx soulcaster-backup snapshots adopt ${shortSource(manifest.source)} --reason TEXT --env-file .env\`.`,
    },
  );
}

/**
 * Throws `not-found` when the snapshot has no key of the project: restoring it would only remove keys. `file`: the file that the
 * snapshot was made from, as words of a command; null for a snapshot in the store.
 */
export function assertHoldsProject(manifest: Manifest, project: string, file: string | null): void {
  const { byProject } = manifest.counts;
  const isEncrypted = manifest.recipients.length > 0;
  const name = isEncrypted ? projectLabel(project) : project;
  if (countOf(byProject, name) > 0) return;
  const what = file === null ? `Snapshot ${manifest.id}` : `The file ${file}`;
  const remedy =
    file === null
      ? isEncrypted
        ? `\`npx soulcaster-backup ls ${manifest.id} --family project --env-file .env\` lists those in it where BACKUP_AGE_IDENTITY is set; \`show\` has hashes of them.`
        : `\`npx soulcaster-backup show ${manifest.id} --env-file .env\` lists the projects in it.`
      : fileHint(file);
  throw new AppError('not-found', `${what} holds no project ${JSON.stringify(project.slice(0, 64))}`, {
    hint: `Give the project's whole id. ${remedy}`,
  });
}

/** How to inspect a file that is restored: its snapshot is in no store. */
export function fileHint(file: string): string {
  return `To inspect the file, import it: \`npx soulcaster-backup import ${file} --env-file .env\`; \`show\` and \`ls\` take the id that this prints.`;
}

/** Throws `damaged` when the manifest was altered, and `wrong-key` when it is not signed with a configured key. */
export function assertSignature({ signer }: Pick<Ports, 'signer'>, { id, seal }: Manifest, entry: FullEntry): void {
  const objection = findSignatureProblem(entry, signer);
  if (objection === null) return;
  if (sha256(entry.sealed ?? '') !== seal.sha256) {
    throw new AppError('damaged', `The manifest of snapshot ${id} is not as it was written: ${objection}`, {
      hint: 'Restore from another snapshot, or bring the older version of the object back.',
    });
  }
  throw new AppError(
    'wrong-key',
    `The manifest of snapshot ${id} is not signed with a key that is configured here: ${objection}`,
    {
      hint:
        seal.signature === null
          ? 'If it is from before the key was set: `npx soulcaster-backup snapshots adopt --unsigned --reason TEXT --env-file .env`. Otherwise someone else wrote it: restore another snapshot.'
          : 'If the key was changed since, add the old public key to BACKUP_SIGNING_PUBLIC_KEY beside the current one. Otherwise someone altered the manifest: restore another snapshot.',
    },
  );
}

function checkWhole(manifest: Manifest, entry: FullEntry, allowIncomplete: boolean): void {
  const { id } = manifest;
  if (lacksSavableKeys(manifest) && !allowIncomplete) {
    const unsaved = unsavedWords(manifest) ?? 'its manifest says so';
    throw new AppError('not-restorable', `Snapshot ${id} is incomplete: ${unsaved}`, {
      hint: 'Restore from a complete one, or allow an incomplete one with mode merge or missing, which remove nothing.',
    });
  }
  if (!isFoundDamaged(entry)) return;
  const { missingParts, sizes } = entry;
  if (missingParts > 0) {
    const missing = `${missingParts} of the ${sizes?.parts ?? missingParts} parts of snapshot ${id}`;
    throw new AppError('not-restorable', `${missing} are not in the store, or have another size there`, {
      hint: `Restore from another snapshot, bring the objects back (older versions in the bucket), or restore from the second store: \`npx soulcaster-backup restore ${id} --replica --env-file .env\`.`,
    });
  }
  throw new AppError('not-restorable', `Snapshot ${id} was found damaged when it was last verified`, {
    hint: `Restore another snapshot. If this one was repaired, run \`npx soulcaster-backup verify ${id} --env-file .env\`: it can be restored once verified.`,
  });
}

/** Faults elsewhere in the chain must not block a restore; an altered manifest of this snapshot must. */
async function checkLinks(ports: ChoosePorts, id: string): Promise<void> {
  const own = (await checkChain(ports)).find(({ subject }) => subject === manifestName(id) || subject === id);
  if (own === undefined) return;
  throw new AppError('damaged', `Snapshot ${id} does not fit into the chain: ${own.code}`, {
    hint: 'Its manifest was replaced after the next snapshot was taken. Restore from another one.',
  });
}

/** False when the snapshot is encrypted and no identity is configured to open it. */
export function hasIdentity(encryptor: Ports['encryptor'], { parts }: Pick<Manifest, 'parts'>): boolean {
  return encryptor.canOpen || parts.every(({ name }) => suffixOf(name) === '');
}

/** Throws `wrong-key` when the snapshot is encrypted and no identity is configured to open it. */
export function assertIdentity(encryptor: Ports['encryptor'], manifest: Manifest): void {
  if (hasIdentity(encryptor, manifest)) return;
  throw new AppError('wrong-key', `Snapshot ${manifest.id} is encrypted and there is no identity here to open it`, {
    hint: `Set BACKUP_AGE_IDENTITY to the identity of one of: ${manifest.recipients.join(', ')}.`,
  });
}

/** Opens the smallest part, so that a wrong identity is found before the restore begins. */
async function checkKey({ encryptor, store }: ChoosePorts, manifest: Manifest): Promise<void> {
  const [smallest] = [...manifest.parts].sort((a, b) => a.stored.bytes - b.stored.bytes);
  if (smallest === undefined || suffixOf(smallest.name) === '') return;
  assertIdentity(encryptor, manifest);
  const found = await store.read(partName(manifest.id, smallest.name));
  // A missing or altered part is reported with all others when the parts are checked.
  if (found === null || sha256(found.body) !== smallest.stored.sha256) return;
  await encryptor.open(found.body, suffixOf(smallest.name));
}
