import type { Clock, ObjectStore, Signer } from '../ports/index.js';
import { readAdoptedSources, fileWords, plainLabel, shortSource } from './source.js';
import { doubtsOf, verifySignature, type ManifestSummary } from './summary.js';
import type { CatalogEntry } from './catalog.js';
import { aheadBy, isFromFuture } from './order.js';
import { unsavedWords } from './ledger.js';
import type { Verification } from './statements.js';

const STATES = [
  'unreadable',
  'untrusted',
  'damaged',
  'safety',
  'imported',
  'foreign',
  'incomplete',
  'unverified',
  'future',
  'doubtful',
  'trusted',
] as const;

/** The number of snapshots in each state. */
export function countStates(
  entries: readonly CatalogEntry[],
  assessEntry: (entry: CatalogEntry) => Assessment,
): Record<SnapshotState, number> {
  const counts = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<SnapshotState, number>;
  for (const entry of entries) counts[assessEntry(entry).state] += 1;
  return counts;
}

/**
 * The state of a snapshot: the first that applies, `trusted` when no other does. `untrusted`: its manifest does not match its
 * hash, or the signature matches no key that is set here; `foreign`: of another database.
 */
export type SnapshotState = (typeof STATES)[number];

/** `reasons` are sentences without a full stop; empty for `trusted`, unless it was accepted or adopted. */
export interface Assessment {
  readonly state: SnapshotState;
  readonly reasons: readonly string[];
}

export interface TrustContext {
  readonly store: ObjectStore;
  readonly signer: Signer;
  readonly clock: Pick<Clock, 'now'>;
  /** The source of the protected database; null where none is configured. */
  readonly own: string | null;
  /** `own` and the sources that it adopted; null where no database is configured: then no snapshot is foreign. */
  readonly sources: ReadonlySet<string> | null;
}

export type TrustPorts = Pick<TrustContext, 'store' | 'signer' | 'clock'>;

/** Reads the adopted sources. `own`: see TrustContext. */
export async function trustContext({ store, signer, clock }: TrustPorts, own: string | null): Promise<TrustContext> {
  return { store, signer, clock, own, sources: own === null ? null : await readAdoptedSources(store, own) };
}

/** Computes the state of a snapshot from its catalogue entry. Reads nothing. */
export function assess(entry: CatalogEntry, { signer, clock, sources }: Omit<TrustContext, 'store'>): Assessment {
  const { manifest } = entry;
  if (manifest === null) return assessment('unreadable', unreadableWords(entry));
  const problem = findSignatureProblem(entry, signer);
  if (problem !== null) return assessment('untrusted', problem);
  const { verification } = entry;
  if (verification !== null && isDamaged(verification)) return assessment('damaged', damageWords(verification));
  if (entry.missingParts > 0) return assessment('damaged', missingWords(entry));
  if (manifest.purpose === 'safety') return assessment('safety', 'a restore saved it before it wrote');
  if (manifest.imported !== undefined) return assessment('imported', importedWords(manifest));
  if (sources !== null && !sources.has(manifest.source)) return assessment('foreign', foreignWords(manifest));
  if (manifest.state !== 'complete') return assessment('incomplete', incompleteWords(manifest));
  if (verification === null) return assessment('unverified', 'no verification of it is on record');
  if (isFromFuture(entry, clock.now())) return assessment('future', futureWords(aheadBy(entry, clock.now())));
  return assessDoubts(entry, manifest);
}

/**
 * Why the manifest is not trusted: it does not match its hash, or its signature matches no key that is set here. Null when it
 * is trusted, and where no key is set.
 */
export function findSignatureProblem(
  { adopted, manifest, sealed, sha256: stored }: SignedEntry,
  signer: Signer,
): string | null {
  if (manifest === null || sealed === null) return 'its manifest cannot be read';
  const { fits, isSigned, signature } = verifySignature(manifest, sealed, signer);
  if (!fits) return 'its manifest does not match its own hash: it was altered';
  if (signature !== false) return null;
  if (isSigned) return 'its signature matches none of the public keys that are set here';
  return adopted?.manifestSha256 === stored ? null : 'it is not signed, and a signing key is set here';
}

type SignedEntry = Pick<CatalogEntry, 'adopted' | 'manifest' | 'sealed' | 'sha256'>;

/** Earlier versions recorded a signature mismatch as damage; it is a missing key, so it is ignored here. */
function isDamaged({ findings, state }: Verification): boolean {
  if (state !== 'damaged') return false;
  return findings.length === 0 || findings.some(({ code }) => code !== 'signature-invalid');
}

/** Whether a snapshot is complete, its hash and signature are valid, and a verification found it undamaged. */
export function isVerified(entry: CatalogEntry, signer: Signer): boolean {
  return entry.manifest?.state === 'complete' && isFoundWhole(entry) && findSignatureProblem(entry, signer) === null;
}

/** Whether a verification found the contents undamaged, and all parts exist, regardless of the keys that are set. */
export function isFoundWhole({ missingParts, verification }: VerifiedEntry): boolean {
  return verification !== null && !isDamaged(verification) && missingParts === 0;
}

/** Whether a verification found the contents damaged, or parts are missing now; a key that does not match is no damage. */
export function isFoundDamaged({ missingParts, verification }: VerifiedEntry): boolean {
  return (verification !== null && isDamaged(verification)) || missingParts > 0;
}

type VerifiedEntry = Pick<CatalogEntry, 'missingParts' | 'verification'>;

function assessDoubts({ accepted, adopted, sha256: stored }: CatalogEntry, manifest: ManifestSummary): Assessment {
  const doubts = doubtsOf(manifest).map(({ detail }) => detail);
  if (doubts.length > 0) {
    if (accepted?.snapshot !== manifest.id || accepted.manifestSha256 !== stored)
      return { state: 'doubtful', reasons: doubts };
    return assessment('trusted', `accepted at ${accepted.at} by ${accepted.by}: ${accepted.reason}`);
  }
  const isAdopted = adopted?.manifestSha256 === stored;
  return { state: 'trusted', reasons: isAdopted ? [`adopted at ${adopted.at}, because it is not signed`] : [] };
}

function assessment(state: SnapshotState, reason: string): Assessment {
  return { state, reasons: [reason] };
}

function unreadableWords({ newerFormat, refusal }: CatalogEntry): string {
  if (refusal !== undefined) return `the store refuses to return it: ${refusal.message}`;
  return newerFormat
    ? 'it was written by a newer version of soulcaster-backup'
    : 'its manifest cannot be read: it was altered or cut short';
}

function damageWords({ at, findings }: Verification): string {
  const [first] = findings;
  const what = first === undefined ? '' : `: ${first.code} ${first.subject}`;
  const more = findings.length > 1 ? ` and ${findings.length - 1} more` : '';
  return `it was found damaged at ${at}${what}${more}`;
}

function missingWords({ missingParts, sizes }: CatalogEntry): string {
  return `${missingParts} of its ${sizes?.parts ?? missingParts} parts are not in the store, or have another size there`;
}

function foreignWords({ label, source }: ManifestSummary): string {
  const name = plainLabel(label);
  return `it is of another database: source ${shortSource(source)}${name === null ? '' : ` (${name})`}`;
}

function importedWords(manifest: ManifestSummary): string {
  const unsaved = manifest.state === 'complete' ? null : unsavedWords(manifest);
  const lacks = unsaved === null ? '' : `, and is incomplete: ${unsaved}`;
  const from = manifest.imported === undefined ? 'a file' : fileWords(manifest.imported);
  return `it was imported from ${from}${lacks}`;
}

function incompleteWords(manifest: ManifestSummary): string {
  const unsaved = unsavedWords(manifest);
  return unsaved === null ? `it is ${manifest.state}` : `it is incomplete: ${unsaved}`;
}

function futureWords(ahead: number): string {
  if (Number.isNaN(ahead)) return 'its date is not valid';
  return `it is dated ${spanWords(ahead)} ahead of the clock here`;
}

const UNITS = [
  [86_400_000, 'days'],
  [3_600_000, 'hours'],
  [60_000, 'minutes'],
] as const;

/** `3 days`, in the largest unit of which there are at least two. */
function spanWords(ms: number): string {
  const unit = UNITS.find(([length]) => ms >= 2 * length);
  if (unit === undefined) return `${Math.round(ms / 1000)} seconds`;
  return `${Math.round(ms / unit[0])} ${unit[1]}`;
}
