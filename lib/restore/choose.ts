import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { isId } from '../runs/ids.js';
import { catalog, isVerified, resolveSnapshot } from '../snapshot/catalog.js';
import { checkChain } from '../snapshot/chain.js';
import { loadManifest, sha256, type LoadedManifest, type Manifest } from '../snapshot/manifest.js';
import { manifestName, partName, suffixOf } from '../snapshot/names.js';
import { projectLabel } from '../snapshot/project-label.js';
import { readVerification } from '../snapshot/verification.js';

export type ChoosePorts = Pick<Ports, 'sealer' | 'signer' | 'store'>;

/** The snapshot that is meant: an id, `latest`, or the newest verified one that was finished at a time (ISO 8601). */
export async function findSnapshot(ports: ChoosePorts, wanted: string, at: string | null): Promise<string> {
  if (at === null) return resolveSnapshot(ports.store, wanted);
  const time = Date.parse(at);
  if (Number.isNaN(time)) {
    throw new AppError('usage', `${JSON.stringify(at.slice(0, 40))} is no time`, {
      hint: 'Give it as 2026-11-22T02:00:00Z, with the offset or Z.',
    });
  }
  for await (const entry of catalog(ports.store)) {
    if (isVerified(entry) && Date.parse(entry.manifest?.window.to ?? '') <= time) return entry.id;
  }
  throw new AppError('not-found', `There is no verified snapshot from ${new Date(time).toISOString()} or before`, {
    hint: 'See `soulcaster-backup list` for the snapshots there are.',
  });
}

/**
 * The manifest of a snapshot that may be restored. Throws `not-found`, `newer-format`, `damaged` (altered, or not signed
 * with our key), `wrong-key` (no identity opens its parts) and `not-restorable` (found damaged when it was last
 * verified, or incomplete).
 */
export async function chooseManifest(ports: ChoosePorts, id: string, allowIncomplete: boolean): Promise<Manifest> {
  const loaded = isId(id) ? await loadManifest(ports.store, id) : null;
  if (loaded === null) {
    throw new AppError('not-found', `There is no snapshot ${JSON.stringify(id.slice(0, 64))}`, {
      hint: 'See `soulcaster-backup list` for the ids there are.',
    });
  }
  checkSeal(ports, loaded);
  await checkWhole(ports, loaded.manifest, allowIncomplete);
  await checkLinks(ports, id);
  await checkKey(ports, loaded.manifest);
  return loaded.manifest;
}

/** Throws `not-found` when the snapshot holds nothing of the project: to restore it would only remove what is there. */
export function demandProject(manifest: Manifest, project: string): void {
  const { byProject } = manifest.counts;
  const name = manifest.recipients.length > 0 ? projectLabel(project) : project;
  if (Object.hasOwn(byProject, name) && (byProject[name] ?? 0) > 0) return;
  throw new AppError('not-found', `Snapshot ${manifest.id} holds no project ${JSON.stringify(project.slice(0, 64))}`, {
    hint: `Give the project's whole id; \`soulcaster-backup show ${manifest.id}\` lists the projects in it.`,
  });
}

function checkSeal({ signer }: ChoosePorts, { manifest, sealed }: LoadedManifest): void {
  const { signature, sha256: expected } = manifest.seal;
  // Null: no key is set here to judge by.
  const signed = signer.verify(sealed, signature ?? '');
  if (sha256(sealed) === expected && signed !== false) return;
  const what = sha256(sealed) === expected ? 'is not signed with our key' : 'does not fit the hash in its seal';
  throw new AppError('damaged', `The manifest of snapshot ${manifest.id} ${what}`, {
    hint: 'Restore from another snapshot. If the signing key was changed since, set the one of that time.',
  });
}

async function checkWhole({ store }: ChoosePorts, manifest: Manifest, allowIncomplete: boolean): Promise<void> {
  const { id, state, ledger } = manifest;
  if (state === 'incomplete' && !allowIncomplete) {
    throw new AppError('not-restorable', `Snapshot ${id} is incomplete: ${ledger.failed.count} keys are not in it`, {
      hint: 'Restore from a complete one, or allow an incomplete one with mode merge or missing, which remove nothing.',
    });
  }
  if ((await readVerification(store, id))?.state !== 'damaged') return;
  throw new AppError('not-restorable', `Snapshot ${id} was found damaged when it was last verified`, {
    hint: `Restore from another one. If it has been mended, \`soulcaster-backup verify ${id}\` says so and it may be used.`,
  });
}

/** What is wrong elsewhere in the chain must not keep anybody from restoring; an altered manifest must. */
async function checkLinks(ports: ChoosePorts, id: string): Promise<void> {
  const own = (await checkChain(ports)).find(({ subject }) => subject === manifestName(id) || subject === id);
  if (own === undefined) return;
  throw new AppError('damaged', `Snapshot ${id} does not fit into the chain: ${own.code}`, {
    hint: 'Its manifest was replaced after the next snapshot was taken. Restore from another one.',
  });
}

/** Opens the smallest part, so that a wrong identity is known before anything is begun. */
async function checkKey({ sealer, store }: ChoosePorts, manifest: Manifest): Promise<void> {
  const [smallest] = [...manifest.parts].sort((a, b) => a.stored.bytes - b.stored.bytes);
  if (smallest === undefined || suffixOf(smallest.name) === '') return;
  if (!sealer.canOpen) {
    throw new AppError('wrong-key', `Snapshot ${manifest.id} is encrypted and there is no identity here to open it`, {
      hint: `Set BACKUP_AGE_IDENTITY to the identity of one of: ${manifest.recipients.join(', ')}.`,
    });
  }
  const found = await store.read(partName(manifest.id, smallest.name));
  // A part that is gone or altered is told of, with all others, when the parts are checked.
  if (found === null || sha256(found.body) !== smallest.stored.sha256) return;
  await sealer.open(found.body, suffixOf(smallest.name));
}
