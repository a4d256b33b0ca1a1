import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Ports } from '../ports/index.js';
import type { Engine, Started } from '../runs/engine.js';
import type { Leg, Progress, RunDefinition, RunRecord, StepOutcome } from '../runs/model.js';
import { readAdoption } from './acceptance.js';
import { checkChain } from './chain.js';
import { checkPart, type Finding } from './check-part.js';
import { checkPhase } from './check-phase.js';
import { addCounts, countIndex, noCounts, sameCounts } from './counts.js';
import { doubledLines } from './doubles.js';
import { loadManifest, sha256, type Counts, type LoadedManifest } from './manifest.js';
import { manifestName } from './names.js';
import { unpackIndex } from './part-index.js';
import { demandStanding } from './standing.js';
import { sizesOf } from './sizes.js';
import { writeVerification } from './verification.js';

export type VerifyPorts = Pick<Ports, 'clock' | 'sealer' | 'signer' | 'store'>;

interface PartResult {
  readonly findings: readonly Finding[];
  /** Records of the part that count; null when it could not be opened. */
  readonly counts: Counts | null;
  /** SHA-256 of the manifest that the part was checked by. */
  readonly manifest?: string;
}

/** The run that checks a stored snapshot: its manifest, its place in the chain, every part, and the counts. */
export function verifyRun(ports: VerifyPorts): RunDefinition {
  return {
    kind: 'verify',
    lease: 'verify',
    firstPhase: 'open',
    phases: {
      open: { type: 'serial', step: (leg) => openStep(ports, leg) },
      check: checkPhase('report', (run, task) => checkTask(ports, run, task)),
      report: { type: 'serial', step: (leg) => reportStep(ports, leg) },
    },
  };
}

export function startVerify(engine: Engine, snapshot: string): Promise<Started> {
  const progress: Progress = { done: 0, total: null, unit: 'parts', bytes: 0 };
  return engine.start({ kind: 'verify', input: { snapshot }, checkpoint: [], progress });
}

async function openStep(ports: VerifyPorts, leg: Leg): Promise<StepOutcome> {
  const id = snapshotOf(leg.run);
  await demandStanding(ports, leg.run.id, id);
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
    else checkSeal(ports, loaded, await isAdopted(ports.store, loaded), add);
    return loaded;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'damaged') throw error;
    add('manifest-altered', 'it cannot be read');
    return null;
  }
}

function checkSeal(
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
  const counts = index === null ? null : noCounts();
  if (counts !== null && index !== null) {
    countIndex(counts, unpackIndex(index), doubledLines(loaded.manifest.doubles, task));
  }
  return { findings, counts, manifest: loaded.sha256 };
}

async function reportStep(ports: VerifyPorts, leg: Leg): Promise<StepOutcome> {
  const id = snapshotOf(leg.run);
  const findings = [...(leg.run.checkpoint as unknown as Finding[])];
  const counts = noCounts();
  let opened = true;
  const by = new Set<string>();
  for await (const { result } of leg.results('check')) {
    const part = result as unknown as PartResult;
    findings.push(...part.findings);
    if (part.manifest !== undefined) by.add(part.manifest);
    if (part.counts === null) opened = false;
    else addCounts(counts, part.counts);
  }
  if (await isReplaced(ports, id, by)) {
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
  const depth = opened ? 'lines' : 'stored-bytes';
  const at = new Date(ports.clock.now()).toISOString();
  await writeVerification(ports.store, id, {
    state: own.length === 0 ? 'verified' : 'damaged',
    at,
    run: leg.run.id,
    depth,
    findings: own,
  });
  return outcome(id, findings, depth, counts.keys);
}

/** Whether the parts were not all checked by the manifest that is there now. */
async function isReplaced({ store }: VerifyPorts, id: string, by: ReadonlySet<string>): Promise<boolean> {
  if (by.size === 0) return false;
  const found = await store.read(manifestName(id));
  return by.size > 1 || found === null || !by.has(sha256(found.body));
}

async function compareCounts(ports: VerifyPorts, id: string, counts: Counts): Promise<Finding[]> {
  const loaded = await loadManifest(ports.store, id);
  if (loaded === null || sameCounts(counts, loaded.manifest.counts)) return [];
  const detail = `the parts hold ${counts.keys} keys, the manifest counts ${loaded.manifest.counts.keys}`;
  return [{ code: 'counts-differ', subject: manifestName(id), detail }];
}

function outcome(id: string, findings: readonly Finding[], depth: string, keys: number): StepOutcome {
  const result = { snapshot: id, depth, keys, findings } satisfies Json;
  if (findings.length === 0) return { to: 'end', state: 'succeeded', result, error: null };
  if (findings.every(({ code }) => isOfKey(code))) return wrongKey(id, result, findings);
  const message = `${findings.length} things are wrong: ${findings.map(({ code, subject }) => `${code} ${subject}`).join('; ')}`;
  const hint = 'Do not rely on what is named here: take a new snapshot now, then find out who changed the store.';
  return { to: 'end', state: 'failed', result, error: { code: 'damaged', message, hint } };
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

function snapshotOf(run: RunRecord): string {
  return (run.input as { snapshot: string }).snapshot;
}
