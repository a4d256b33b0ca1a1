import { refreshCatalog } from './catalog-object.js';
import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Ports } from '../ports/index.js';
import type { Engine, Started } from '../runs/engine.js';
import type { Trigger } from '../runs/records.js';
import type { Attempt, Progress, RunDefinition, RunRecord, StepOutcome } from '../runs/model.js';
import { readAdoption } from './acceptance.js';
import { checkChain } from './chain.js';
import { checkPart, type Finding, checkPhase } from './check-part.js';
import { addCounts, countIndex, noCounts, areCountsCompatible } from './counts.js';
import { duplicateLines } from './duplicates.js';
import { loadManifest, sha256, type Counts, type LoadedManifest } from './manifest.js';
import { checkKeyIndex, indexSection } from './key-index.js';
import { VERIFY } from './kinds.js';
import { manifestName, partName } from './names.js';
import { unpackIndex } from './part-index.js';
import { assertNotBeingRemoved } from './being-removed.js';
import { sizesOf } from './sizes.js';
import { writeVerification } from './verification.js';

type VerifyPorts = Pick<Ports, 'clock' | 'encryptor' | 'signer' | 'store'>;

interface PartResult {
  readonly findings: readonly Finding[];
  /** Records of the part that count; null when it could not be opened. */
  readonly counts: Counts | null;
  /** SHA-256 of what the key index must have for the part; null when it could not be opened. Absent in older runs. */
  readonly section?: string | null;
  /** SHA-256 of the manifest that the part was checked by. */
  readonly manifest?: string;
}

/** The run that checks a stored snapshot: its manifest, its place in the chain, every part, and the counts. */
export function verifyRun(ports: VerifyPorts): RunDefinition {
  return {
    ...VERIFY,
    lease: 'verify',
    firstPhase: 'open',
    phases: {
      open: { type: 'serial', step: (attempt) => openStep(ports, attempt) },
      check: checkPhase('report', (run, task) => checkTask(ports, run, task)),
      report: { type: 'serial', step: (attempt) => reportStep(ports, attempt) },
    },
  };
}

/** `trigger`: who or what asked for it. */
export function startVerify(engine: Engine, snapshot: string, trigger?: Trigger): Promise<Started> {
  const progress: Progress = { done: 0, total: null, unit: 'parts', bytes: 0 };
  const asked = trigger === undefined ? {} : { trigger };
  return engine.start({ kind: 'verify', input: { snapshot }, ...asked, checkpoint: [], progress });
}

async function openStep(ports: VerifyPorts, attempt: Attempt): Promise<StepOutcome> {
  const id = snapshotOf(attempt.run);
  await assertNotBeingRemoved(ports, attempt.run.id, id);
  const findings = await checkChain(ports);
  const loaded = await openManifest(ports, id, findings);
  const plain = loaded === null ? 0 : sizesOf(loaded.manifest).plain;
  const tasks = loaded?.manifest.parts.length ?? 0;
  const progress: Progress = { done: 0, total: tasks, unit: 'parts', bytes: plain };
  return { to: 'phase', phase: 'check', tasks, checkpoint: findings, progress };
}

async function isAdopted(store: VerifyPorts['store'], { manifest, sha256: stored }: LoadedManifest): Promise<boolean> {
  if (manifest.seal.signature !== null) return false;
  return (await readAdoption(store, manifest.id))?.manifestSha256 === stored;
}

/** The manifest, if it can be read at all; what is wrong with it goes to the findings. */
async function openManifest(ports: VerifyPorts, id: string, findings: Finding[]): Promise<LoadedManifest | null> {
  const subject = manifestName(id);
  const add = (code: Finding['code'], detail: string): void => {
    if (!findings.some((finding) => finding.code === code && finding.subject === subject)) {
      findings.push({ code, subject, detail });
    }
  };
  try {
    const loaded = await loadManifest(ports.store, id);
    if (loaded === null) add('manifest-missing', 'the object is not in the store');
    else checkSignature(ports, loaded, await isAdopted(ports.store, loaded), add);
    return loaded;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'damaged') throw error;
    add('manifest-altered', 'it cannot be read');
    return null;
  }
}

function checkSignature(
  ports: VerifyPorts,
  { manifest, sealed }: LoadedManifest,
  adopted: boolean,
  add: (code: Finding['code'], detail: string) => void,
): void {
  const { seal } = manifest;
  if (sha256(sealed) !== seal.sha256) add('manifest-altered', 'its contents do not fit the hash in its seal');
  // Null: no key is set here, so there is nothing to judge a signature by.
  const valid = seal.signature === null ? null : ports.signer.verify(sealed, seal.signature);
  if (valid === false) add('signature-invalid', 'the signature is not by our key, or not over these contents');
  if (seal.signature === null && !adopted && ports.signer.verify(sealed, '') === false) {
    add('signature-invalid', 'it is not signed, but a signing key is set');
  }
}

async function checkTask(ports: VerifyPorts, run: RunRecord, task: number): Promise<Json> {
  const id = snapshotOf(run);
  const loaded = await loadManifest(ports.store, id);
  const part = loaded?.manifest.parts[task];
  if (loaded === null || part === undefined) return { findings: [], counts: null };
  const { findings, index } = await checkPart(ports, id, part, loaded.manifest.parts);
  if (index === null) return { findings, counts: null, section: null, manifest: loaded.sha256 };
  const [unpacked, without] = [unpackIndex(index), duplicateLines(loaded.manifest.doubles, task)];
  const counts = noCounts();
  countIndex(counts, unpacked, without);
  return { findings, counts, section: sha256(indexSection(unpacked, without)), manifest: loaded.sha256 };
}

async function reportStep(ports: VerifyPorts, attempt: Attempt): Promise<StepOutcome> {
  const id = snapshotOf(attempt.run);
  const findings = [...(attempt.run.checkpoint as unknown as Finding[])];
  const counts = noCounts();
  let opened = true;
  const by = new Set<string>();
  const sections: (string | null)[] = [];
  for await (const { result } of attempt.results('check')) {
    const part = result as unknown as PartResult;
    findings.push(...part.findings);
    sections.push(part.section ?? null);
    if (part.manifest !== undefined) by.add(part.manifest);
    if (part.counts === null) opened = false;
    else addCounts(counts, part.counts);
  }
  // What is vouched for is the manifest that is there now.
  const loaded = await openManifest(ports, id, findings);
  if (loaded !== null && isReplaced(loaded, by, sections.length)) {
    findings.push({
      code: 'manifest-altered',
      subject: manifestName(id),
      detail: 'it was replaced while it was verified',
    });
  }
  if (findings.length === 0 && opened) findings.push(...(await compareCounts(ports, id, counts)));
  // That a key does not fit says nothing of the contents: whoever has the right one must not read of damage.
  const own = findings.filter(
    ({ code, subject }) => !isOfKey(code) && (subject === id || subject.startsWith(`snapshots/${id}/`)),
  );
  // Nor does the index: where it is of no use every part is read.
  if (own.length === 0) findings.push(...(await checkIndex(ports, id, sections)));
  const depth = opened ? 'lines' : 'stored-bytes';
  const at = new Date(ports.clock.now()).toISOString();
  await writeVerification(ports.store, id, {
    state: own.length === 0 ? 'verified' : 'damaged',
    at,
    run: attempt.run.id,
    depth,
    findings: own,
  });
  await refreshCatalog(ports);
  return outcome(id, findings, own, { depth, keys: counts.keys });
}

/** Whether the parts were not all checked, or not all by this manifest. Results of older versions do not say by which. */
function isReplaced({ manifest, sha256: stored }: LoadedManifest, by: ReadonlySet<string>, checked: number): boolean {
  return manifest.parts.length !== checked || by.size > 1 || (by.size === 1 && !by.has(stored));
}

async function compareCounts(ports: VerifyPorts, id: string, counts: Counts): Promise<Finding[]> {
  const loaded = await loadManifest(ports.store, id);
  if (loaded === null || areCountsCompatible(counts, loaded.manifest.counts)) return [];
  const detail = `the parts hold ${counts.keys} keys, the manifest counts ${loaded.manifest.counts.keys}`;
  return [{ code: 'counts-differ', subject: manifestName(id), detail }];
}

async function checkIndex(ports: VerifyPorts, id: string, sections: readonly (string | null)[]): Promise<Finding[]> {
  const loaded = await loadManifest(ports.store, id);
  if (loaded?.manifest.keyIndex === undefined) return [];
  const { manifest } = loaded;
  const detail = await checkKeyIndex(ports, manifest, sections);
  return detail === null ? [] : [{ code: 'index-wrong', subject: partName(id, manifest.keyIndex?.name ?? ''), detail }];
}

/** @param own those of the findings that are of this snapshot's contents */
function outcome(
  id: string,
  findings: readonly Finding[],
  own: readonly Finding[],
  read: { readonly depth: string; readonly keys: number },
): StepOutcome {
  const result = { snapshot: id, ...read, findings } satisfies Json;
  if (findings.length === 0) return { to: 'end', state: 'succeeded', result, error: null };
  if (findings.every(({ code }) => isOfKey(code))) return wrongKey(id, result, findings);
  if (findings.every(({ code }) => code === 'index-wrong')) return wrongIndex(id, result, findings);
  const named = findings.map(({ code, subject }) => `${code} ${subject}`).join('; ');
  if (own.length === 0 && !findings.some(({ code }) => isOfKey(code))) return brokenChain(id, result, named);
  const message = `${findings.length} things are wrong: ${named}`;
  const hint = 'Do not rely on what is named here: take a new snapshot now, then find out who changed the store.';
  return { to: 'end', state: 'failed', result, error: { code: 'damaged', message, hint } };
}

/** What was altered or removed lies elsewhere in the store. */
function brokenChain(id: string, result: Json, named: string): StepOutcome {
  const message = `Snapshot ${id} itself is whole, but others in the store are not: ${named}`;
  const hint = 'Do not rely on what is named here; bring back the versions of the objects that were there before.';
  return { to: 'end', state: 'failed', result, error: { code: 'chain-broken', message, hint } };
}

function isOfKey(code: string): boolean {
  return code === 'signature-invalid';
}

/** The contents are as they were written; who wrote them is not known. */
function wrongKey(id: string, result: Json, findings: readonly Finding[]): StepOutcome {
  const message = `The contents of snapshot ${id} are whole, but its signature does not fit the signing key that is set here: ${findings[0]?.detail ?? ''}`;
  const hint =
    'If the key was changed, put the public key of that time into BACKUP_SIGNING_PUBLIC_KEY beside the present one. If the snapshot is from before a key was set: `npx soulcaster-backup snapshots adopt --unsigned --reason TEXT --env-file .env`. Else somebody else wrote it.';
  return { to: 'end', state: 'failed', result, error: { code: 'wrong-key', message, hint } };
}

/** Everything can be restored; only to find one key takes longer. */
function wrongIndex(id: string, result: Json, findings: readonly Finding[]): StepOutcome {
  const [first] = findings;
  const message = `The contents of snapshot ${id} are whole, but the index of its keys is not: ${first?.subject ?? ''}: ${first?.detail ?? ''}`;
  const hint =
    'It can be restored; `cat` and `find` read all its parts instead. Find out who writes to the bucket, and bring back the version of the object that was there before.';
  return { to: 'end', state: 'failed', result, error: { code: 'damaged', message, hint } };
}

function snapshotOf(run: RunRecord): string {
  return (run.input as { snapshot: string }).snapshot;
}
