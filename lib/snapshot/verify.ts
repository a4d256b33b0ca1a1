import { z } from 'zod';
import { refreshCatalog } from './catalog-object.js';
import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Ports } from '../ports/index.js';
import type { Engine, Started } from '../runs/engine.js';
import type { Trigger } from '../runs/records.js';
import type { Attempt, Progress, RunDefinition, RunRecord, StepOutcome } from '../runs/model.js';
import { isAdopted, readVerification, type Verification, verificationSchema, writeVerification } from './statements.js';
import { checkChain } from './chain.js';
import { checkPart, type Finding, checkPhase } from './check-part.js';
import { addCounts, countIndex, noCounts, areCountsCompatible } from './counts.js';
import { duplicateLines } from './duplicates.js';
import { loadManifest, sha256, type Counts, type LoadedManifest, sizesOf } from './manifest.js';
import { checkKeyIndex, indexSection } from './key-index.js';
import { VERIFY } from './kinds.js';
import { manifestName, partName } from './names.js';
import { unpackIndex } from './part-index.js';
import { assertNotBeingRemoved } from './tombstone.js';

type VerifyPorts = Pick<Ports, 'clock' | 'encryptor' | 'signer' | 'store'>;

interface PartResult {
  readonly findings: readonly Finding[];
  /** Counts of the valid records of the part; null when it could not be opened. */
  readonly counts: Counts | null;
  /** SHA-256 of the part's section in the key index; null when the part could not be opened. Absent in older runs. */
  readonly section?: string | null;
  /** SHA-256 of the manifest against which the part was checked. */
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

/** Starts a verification. `trigger`: its cause, for the run record. */
export function startVerify(engine: Engine, snapshot: string, trigger?: Trigger): Promise<Started> {
  const progress: Progress = { done: 0, total: null, unit: 'parts', bytes: 0 };
  const cause = trigger === undefined ? {} : { trigger };
  return engine.start({ kind: 'verify', input: { snapshot }, ...cause, checkpoint: [], progress });
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

/** The manifest, if it can be read; its faults are added to the findings. */
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
  if (sha256(sealed) !== seal.sha256) add('manifest-altered', 'it does not match its own hash');
  // Null: no key is set here, so the signature is not checked.
  const valid = seal.signature === null ? null : ports.signer.verify(sealed, seal.signature);
  if (valid === false) add('signature-invalid', 'the signature was made with another key, or over other contents');
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
  // The verification is valid for the manifest that is stored now.
  const loaded = await openManifest(ports, id, findings);
  if (loaded !== null && isReplaced(loaded, by, sections.length)) {
    findings.push({
      code: 'manifest-altered',
      subject: manifestName(id),
      detail: 'it was replaced while it was verified',
    });
  }
  if (opened && ownFindings(id, findings).length === 0) findings.push(...(await compareCounts(ports, id, counts)));
  const own = ownFindings(id, findings);
  // A faulty key index is no damage either: every part is read instead.
  if (own.length === 0) findings.push(...(await checkIndex(ports, id, sections)));
  const depth = opened ? 'lines' : 'stored-bytes';
  const at = new Date(ports.clock.now()).toISOString();
  const verification: Verification = {
    state: own.length === 0 ? 'verified' : 'damaged',
    at,
    run: attempt.run.id,
    depth,
    findings: own,
    ...(loaded === null ? {} : { manifestSha256: loaded.sha256 }),
  };
  if (!saysMore(await readVerification(ports.store, id), verification)) {
    await writeVerification(ports.store, id, verification);
  }
  await refreshCatalog(ports);
  return outcomeOf(id, findings, own, { depth, keys: counts.keys });
}

/**
 * The findings about the snapshot's contents: not those about others in the chain, and no signature mismatch, since with the
 * right key the same snapshot is valid.
 */
function ownFindings<T extends Pick<Finding, 'subject'> & { code: string }>(id: string, findings: readonly T[]): T[] {
  return findings.filter(
    ({ code, subject }) => !isSignatureCode(code) && (subject === id || subject.startsWith(`snapshots/${id}/`)),
  );
}

/** The result of a run that has checked a snapshot to the end. */
export const verifyResultSchema = verificationSchema
  .pick({ depth: true, findings: true })
  .extend({ snapshot: z.string(), keys: z.number() });

/** Whether a run has checked a snapshot to the end and found no fault in its contents, whatever else it found. */
export function foundContentsWhole({ result }: RunRecord): boolean {
  const { data } = verifyResultSchema.safeParse(result);
  return data !== undefined && ownFindings(data.snapshot, data.findings).length === 0;
}

/**
 * Whether the stored verification of the same manifest read every line, and the next one compared only the stored bytes. A
 * verification of an older version does not name the manifest, which is written once.
 */
function saysMore(known: Verification | null, next: Verification): boolean {
  if (known === null || next.depth === 'lines' || next.state === 'damaged') return false;
  if (known.manifestSha256 !== undefined && known.manifestSha256 !== next.manifestSha256) return false;
  if (known.state === 'verified') return known.depth === 'lines';
  return known.findings.some(({ code }) => code === 'part-contents' || code === 'counts-differ');
}

/** Whether not all parts were checked, or not all against this manifest. Results of older versions do not name the manifest. */
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

/** @param own the findings about this snapshot's contents */
function outcomeOf(
  id: string,
  findings: readonly Finding[],
  own: readonly Finding[],
  read: { readonly depth: string; readonly keys: number },
): StepOutcome {
  const result = { snapshot: id, ...read, findings } satisfies Json;
  if (findings.length === 0) return { to: 'end', state: 'succeeded', result, error: null };
  if (findings.every(({ code }) => isSignatureCode(code))) return wrongKeyOutcome(id, result, findings);
  if (findings.every(({ code }) => code === 'index-wrong')) return wrongIndexOutcome(id, result, findings);
  const named = findings.map(({ code, subject }) => `${code} ${subject}`).join('; ');
  if (own.length === 0 && !findings.some(({ code }) => isSignatureCode(code))) {
    return brokenChainOutcome(id, result, named);
  }
  const message = `The verification found ${findings.length} ${findings.length === 1 ? 'fault' : 'faults'}: ${named}`;
  const hint = 'Do not rely on these objects. Take a new snapshot now, then find out who changed the store.';
  return { to: 'end', state: 'failed', result, error: { code: 'damaged', message, hint } };
}

/** Only other objects in the store were altered or removed. */
function brokenChainOutcome(id: string, result: Json, named: string): StepOutcome {
  const message = `Snapshot ${id} itself is whole, but others in the store are not: ${named}`;
  const hint = 'Do not rely on these objects. Bring back their previous versions.';
  return { to: 'end', state: 'failed', result, error: { code: 'chain-broken', message, hint } };
}

function isSignatureCode(code: string): boolean {
  return code === 'signature-invalid';
}

/** The contents are undamaged; it is unknown who wrote them. */
function wrongKeyOutcome(id: string, result: Json, findings: readonly Finding[]): StepOutcome {
  const message = `The contents of snapshot ${id} are whole, but its signature does not match the signing key that is set here: ${findings[0]?.detail ?? ''}`;
  const hint =
    'If the key was changed, add the public key of that time to BACKUP_SIGNING_PUBLIC_KEY. If the snapshot is from before a key was set: `npx soulcaster-backup snapshots adopt --unsigned --reason TEXT --env-file .env`. Otherwise it may be forged: do not restore it.';
  return { to: 'end', state: 'failed', result, error: { code: 'wrong-key', message, hint } };
}

/** Everything can be restored; only finding a single key takes longer. */
function wrongIndexOutcome(id: string, result: Json, findings: readonly Finding[]): StepOutcome {
  const [first] = findings;
  const message = `The contents of snapshot ${id} are whole, but the index of its keys is not: ${first?.subject ?? ''}: ${first?.detail ?? ''}`;
  const hint =
    'It can be restored; `cat` and `find` read all its parts instead. Find out who writes to the bucket, and bring back the previous version of the object.';
  return { to: 'end', state: 'failed', result, error: { code: 'damaged', message, hint } };
}

function snapshotOf(run: RunRecord): string {
  return (run.input as { snapshot: string }).snapshot;
}
