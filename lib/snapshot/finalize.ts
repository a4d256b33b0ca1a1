import { AppError } from '../errors.js';
import type { ObjectStore, Ports } from '../ports/index.js';
import type { Attempt, RunFailure, StepOutcome } from '../runs/model.js';
import { refreshCatalog } from './catalog-object.js';
import { findPreviousLink } from './catalog.js';
import { parseCheckpoint, type SnapshotCheckpoint } from './checkpoint.js';
import type { Finding } from './check-part.js';
import { countIndex, noCounts } from './counts.js';
import { duplicateLines, findDuplicates } from './duplicates.js';
import { refusedTypes, encryptName, shortfall } from './ledger.js';
import {
  FORMAT_VERSION,
  loadManifest,
  signManifest,
  sha256,
  type Doubt,
  type Ledger,
  type Manifest,
  type LedgerKey,
  type ManifestBody,
  rateOf,
  sizesOf,
} from './manifest.js';
import { manifestName } from './names.js';
import { indexSection, writeKeyIndex } from './key-index.js';
import { indexReader, partIndexPrefix } from './part-index.js';
import type { MarkStores } from './unfinished-marks.js';
import { estimatedUsd } from './kinds.js';
import { sourceOf } from './source.js';
import { endedDoubts, findDoubts, unfinishedDoubts } from './doubts.js';
import type { SnapshotSettings } from './settings.js';
import { writeVerification } from './statements.js';

type FinalizePorts = Pick<Ports, 'clock' | 'redis' | 'encryptor' | 'signer' | 'store'> & MarkStores;

/** Result of a check task of a snapshot. */
interface CheckResult {
  readonly findings: readonly Finding[];
  readonly depth: 'lines' | 'stored-bytes';
}

/** Finalizes a snapshot whose parts were all read back: finds duplicates, writes the manifest, and returns the outcome. */
export async function finalizeStep(
  ports: FinalizePorts,
  settings: SnapshotSettings,
  attempt: Attempt,
): Promise<StepOutcome> {
  const id = attempt.run.id;
  const checks = await collectChecks(attempt);
  if (checks.findings.length > 0) return readBackFailed(checks.findings);
  // An earlier attempt may have died after it wrote the manifest, which is then used.
  const written = await loadManifest(ports.store, id);
  const manifest = written?.manifest ?? (await writeManifest(ports, settings, attempt));
  const at = new Date(ports.clock.now()).toISOString();
  await writeVerification(ports.store, id, { state: 'verified', at, run: id, depth: checks.depth, findings: [] });
  await refreshCatalog(ports);
  return outcomeOf(manifest, settings);
}

/** Removes the key indexes of a run's parts, once they are no longer needed. */
export async function dropIndexes(store: ObjectStore, run: string): Promise<void> {
  for await (const { name } of store.list(partIndexPrefix(run))) await store.remove(name);
}

async function writeManifest(ports: FinalizePorts, settings: SnapshotSettings, attempt: Attempt): Promise<Manifest> {
  const id = attempt.run.id;
  const body = await buildManifest(ports, settings, attempt, parseCheckpoint(attempt.run.checkpoint));
  const bytes = signManifest(body, ports.signer);
  if (attempt.signal.aborted) throw attempt.signal.reason;
  await ports.store.create(manifestName(id), bytes);
  const stored = await loadManifest(ports.store, id);
  if (stored?.manifest.seal.sha256 === sha256(stored?.sealed ?? '')) return stored.manifest;
  throw new AppError('damaged', `The manifest of snapshot ${id} did not come back as it was written`, {
    hint: 'Check the bucket: something alters objects when they are written or read. Then take another snapshot.',
  });
}

async function buildManifest(
  ports: FinalizePorts,
  settings: SnapshotSettings,
  attempt: Attempt,
  state: SnapshotCheckpoint,
): Promise<ManifestBody> {
  const read = indexReader(ports.store, attempt.run.id, state.parts);
  const duplicates = await findDuplicates(state.parts, read, state.hashesFrom);
  const counts = noCounts();
  const sections: Buffer[] = [];
  for (const part of state.parts.keys()) {
    const [index, without] = [await read(part), duplicateLines(duplicates, part)];
    countIndex(counts, index, without);
    sections.push(indexSection(index, without));
  }
  return {
    formatVersion: FORMAT_VERSION,
    id: attempt.run.id,
    state: isIncomplete(state, settings) ? 'incomplete' : 'complete',
    tool: settings.tool,
    ...(settings.purpose === 'safety' ? { purpose: settings.purpose } : {}),
    ...(await undoesField(ports, settings)),
    ...(settings.only === undefined ? {} : { partial: true as const }),
    createdAt: attempt.run.createdAt,
    window: { from: state.window.from ?? attempt.run.createdAt, to: state.window.to ?? attempt.run.updatedAt },
    ...sourceFields(settings, ports.redis.host),
    dbsize: state.dbsize,
    ...namesField(state),
    parts: state.parts,
    keyIndex: await writeKeyIndex(ports, { id: attempt.run.id, fence: attempt.fence }, sections),
    counts,
    ledger: finalLedger(state, counts.keys),
    doubles: duplicates,
    fieldExpiry: state.fieldExpiry ?? 'none',
    spent: { ...state.spent, estimatedUsd: estimatedUsd(state.spent.commands) },
    recipients: [...ports.encryptor.recipients],
    readBackAt: new Date(ports.clock.now()).toISOString(),
    previous: await findPreviousLink(ports.store, attempt.run.id),
    ...placeOf(settings, attempt.run),
    ...(await doubtsField(ports, settings, attempt.run.id, { counts, dbsize: state.dbsize }, state)),
  };
}

async function undoesField(
  { encryptor }: FinalizePorts,
  { undoes }: SnapshotSettings,
): Promise<Pick<ManifestBody, 'undoes'>> {
  if (undoes === undefined) return {};
  const { project, scope, target } = undoes;
  const encrypt = (text: string): Promise<LedgerKey> => encryptName(encryptor, Buffer.from(text));
  return {
    undoes: {
      project: project === null ? null : await encrypt(project),
      target,
      ...(scope === undefined ? {} : { scope: await encrypt(scope) }),
    },
  };
}

/** The database of the snapshot. A safety snapshot of another database names the protected database as its owner. */
function sourceFields(
  { label, owner }: SnapshotSettings,
  host: string,
): Pick<ManifestBody, 'label' | 'owner' | 'source'> {
  const source = sourceOf(host);
  return {
    source,
    ...(label === undefined ? {} : { label }),
    ...(owner === undefined || owner === source ? {} : { owner }),
  };
}

/** What a restore saves may have gone by the lease of the target. */
function placeOf({ purpose }: SnapshotSettings, { firstFence, series }: Attempt['run']): Pick<ManifestBody, 'order'> {
  return purpose === 'safety' || series === null || firstFence === null ? {} : { order: { series, fence: firstFence } };
}

async function doubtsField(
  ports: FinalizePorts,
  { purpose }: SnapshotSettings,
  run: string,
  body: Pick<ManifestBody, 'counts' | 'dbsize'>,
  { ended, names: { gone } }: SnapshotCheckpoint,
): Promise<Pick<ManifestBody, 'doubts'>> {
  const found = purpose === 'safety' ? await unfinishedDoubts(ports, run) : await findDoubts(ports, body, gone);
  const doubts = [...found, ...(await endedDoubts(ports, ended))];
  return doubts.length === 0 ? {} : { doubts };
}

/** Absent where the run was begun by an older version and has passed the phase of the walks. */
function namesField({ names }: SnapshotCheckpoint): Pick<ManifestBody, 'names'> {
  const { walks, added, unexplained } = names;
  return walks === 0 ? {} : { names: { walks, added, unexplained } };
}

function finalLedger({ ledger, names }: SnapshotCheckpoint, saved: number): Ledger {
  const { unsupported } = ledger;
  const typed = Object.keys(names.types).length > 0 ? { ...unsupported, types: names.types } : unsupported;
  return { ...ledger, saved, ...(names.vanished ? { vanished: names.vanished } : {}), unsupported: typed };
}

/** A restore leaves keys without a record form in place, so they do not make its safety snapshot incomplete. */
function isIncomplete({ ledger, names }: SnapshotCheckpoint, { purpose, skipTypes }: SnapshotSettings): boolean {
  const refused =
    purpose === 'safety' ? [] : refusedTypes({ unsupported: { ...ledger.unsupported, types: names.types } }, skipTypes);
  return ledger.failed.count > 0 || names.unexplained > 0 || refused.length > 0;
}

async function collectChecks(attempt: Attempt): Promise<CheckResult> {
  const findings: Finding[] = [];
  let depth: CheckResult['depth'] = 'lines';
  for await (const { result } of attempt.results('check')) {
    const check = result as unknown as CheckResult;
    findings.push(...check.findings);
    if (check.depth === 'stored-bytes') depth = 'stored-bytes';
  }
  return { findings, depth };
}

function outcomeOf(manifest: Manifest, settings: SnapshotSettings): StepOutcome {
  const { id, state, counts, doubts, ledger, parts, doubles, spent, seal } = manifest;
  const sizes = sizesOf(manifest);
  const result = {
    snapshot: id,
    state,
    keys: counts.keys,
    parts: parts.length,
    plainBytes: sizes.plain,
    storedBytes: sizes.stored,
    doubles: doubles.length,
    expiredMeanwhile: ledger.expiredMeanwhile,
    changedMeanwhile: ledger.changedMeanwhile.count,
    unsupported: ledger.unsupported.count,
    failed: ledger.failed.count,
    unexplained: manifest.names?.unexplained ?? 0,
    commands: spent.commands,
    requests: spent.requests,
    commandsPerSecond: rateOf(manifest),
    estimatedUsd: spent.estimatedUsd,
    manifestSha256: seal.sha256,
    doubts: doubts ?? [],
  };
  // A safety snapshot serves its purpose even if the database is in doubt.
  if (state === 'complete' && settings.purpose !== 'safety' && doubts !== undefined && doubts.length > 0) {
    return { to: 'end', state: 'succeeded', result, error: doubtfulError(id, doubts) };
  }
  if (state === 'complete') return { to: 'end', state: 'succeeded', result, error: null };
  const { message, hint } = shortfall(manifest, settings.skipTypes);
  return { to: 'end', state: 'incomplete', result, error: { code: 'incomplete', message, hint } };
}

/** The run succeeded; the state of the database is in doubt. */
function doubtfulError(id: string, doubts: readonly Doubt[]): RunFailure {
  const message = `Snapshot ${id} is doubtful: ${doubts.map(({ detail }) => detail).join('; ')}`;
  return { code: 'doubtful', message, hint: `It is kept, but is not \`latest\`. ${remedyFor(id, doubts)}` };
}

function remedyFor(id: string, doubts: readonly Doubt[]): string {
  const restore = '`npx soulcaster-backup restore latest --env-file .env`';
  const accept = `\`npx soulcaster-backup snapshots accept ${id} --reason TEXT --env-file .env\``;
  const has = (wanted: string): boolean => doubts.some(({ code }) => code === wanted);
  if (has('restore-unfinished'))
    return `Finish the restore, or restore the last trusted snapshot: ${restore}. If the data are correct: ${accept}.`;
  if (has('restored-meanwhile'))
    return 'It may hold data from before and from after the restore. Take another one: `npx soulcaster-backup backup --env-file .env`.';
  return `If data were lost, restore the last trusted snapshot: ${restore}. If the database is correct: ${accept}.`;
}

function readBackFailed(findings: readonly Finding[]): StepOutcome {
  const [first] = findings;
  const message = `Parts were missing or altered when they were read back from the store: ${first?.code ?? ''} ${first?.subject ?? ''}`;
  const hint = 'Check the bucket (versioning, lifecycle rules, other writers) and take another snapshot.';
  const result = { findings };
  return { to: 'end', state: 'failed', result, error: { code: 'damaged', message, hint } };
}
