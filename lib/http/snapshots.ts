import { z } from 'zod';
import { environment, problemOfSection } from '../app/config.js';
import { retentionSettings } from '../app/settings.js';
import { connectTrust } from '../app/connect/database.js';
import { forecast, retentionEntry, type Forecast } from '../retention/forecast.js';
import { timeOfId } from '../runs/ids.js';
import type { RetentionEntry } from '../retention/policy.js';
import type { CatalogEntry } from '../snapshot/catalog.js';
import { refreshEntries } from '../snapshot/catalog-object.js';
import { assessor } from '../snapshot/latest.js';
import { purposeOf, type Purpose } from '../snapshot/manifest.js';
import { readPins } from '../snapshot/pins.js';
import { plainLabel, shortSource } from '../snapshot/source.js';
import type { Assessment, SnapshotState, TrustContext } from '../snapshot/trust.js';
import type { Verification } from '../snapshot/statements.js';
import type { ViewPorts } from './entry.js';
import { assertKnownParameters, parseBody, parseNumber, readBody, segmentAfter, snapshotField } from './requests.js';
import { json } from './responses.js';
import { runEndingApp, otherMarkStore, type StoreApp } from '../app/app.js';
import { pinSnapshot, unpinSnapshot } from '../retention/prune/forget.js';
import { cancelIfOpen } from '../runs/engine.js';
import { acceptSnapshot } from '../snapshot/accept.js';
import { selectSnapshot } from '../snapshot/select.js';
import type { Budget } from '../runs/attempt.js';
import { startVerify } from '../snapshot/verify.js';
import { answerStarted, lockedError } from './run-view.js';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;

/** GET /api/snapshots: all snapshots, newest first. */
export async function showSnapshots(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  assertKnownParameters(searchParams, ['limit']);
  const trust = await connectTrust(environment(), ports);
  const limit = parseNumber(searchParams, 'limit', DEFAULT_LIMIT, MAX_LIMIT);
  const entries = await refreshEntries(ports);
  const pins = await readPins(ports.store);
  const assessed = await assessor(trust, entries);
  const seen = entries.map((entry) => retentionEntry(entry, assessed(entry).state, trust));
  const forecasts = computeForecasts(seen, trust, pins);
  const snapshots = entries.slice(0, limit).map((entry): ListedSnapshot => {
    const { kept, goesAt } = forecasts.get(entry.id) ?? NO_FORECAST;
    return { ...describeSnapshot(entry, assessed(entry), trust), kept, goesAt, pinned: pins.has(entry.id) };
  });
  const list: SnapshotList = { snapshots, more: entries.length > limit };
  return json(200, list);
}

const NO_FORECAST: Forecast = { kept: [], goesAt: null };
let cached: { readonly of: string; readonly forecasts: ReadonlyMap<string, Forecast> } | null = null;

/** The last forecast is cached, since pages request it repeatedly. Empty if the policy is invalid. */
function computeForecasts(
  entries: readonly RetentionEntry[],
  trust: TrustContext,
  pins: ReadonlyMap<string, unknown>,
): ReadonlyMap<string, Forecast> {
  const env = environment();
  if (problemOfSection(env, 'retention') !== null) return new Map();
  const now = trust.clock.now();
  const policy = retentionSettings(env);
  const parts = entries.map(({ id, sha256, state }) => `${id} ${sha256} ${state}`);
  const of = JSON.stringify([new Date(now).toISOString().slice(0, 13), policy, [...pins.keys()], parts]);
  if (cached?.of !== of)
    cached = {
      of,
      forecasts: forecast(entries, policy, { now, inUse: new Set(), pinned: pins, lastRunsFailed: false }).byId,
    };
  return cached.forecasts;
}

/** A snapshot in the API. Fields from the manifest are null if it cannot be read; sizes in bytes. */
export interface SnapshotView {
  readonly id: string;
  readonly state: 'complete' | 'incomplete' | 'unreadable';
  readonly purpose: Purpose | null;
  readonly trust: SnapshotState;
  readonly reasons: readonly string[];
  readonly source: string | null;
  readonly label: string | null;
  /** Whether it is a snapshot of the protected database; null if unknown. */
  readonly own: boolean | null;
  readonly verification: Pick<Verification, 'state' | 'at' | 'depth'> | null;
  readonly keys: number | null;
  readonly parts: number | null;
  readonly plainBytes: number | null;
  readonly storedBytes: number | null;
  /** Keys missing: reads that failed, unsupported types, and keys counted by the database but not found by a scan (null if the names were not scanned again). */
  readonly failed: number | null;
  readonly unsupported: number | null;
  readonly unexplained: number | null;
  readonly encrypted: boolean | null;
  readonly createdAt: string;
  readonly window: { readonly from: string; readonly to: string } | null;
  readonly readBackAt: string | null;
}

export interface ListedSnapshot extends SnapshotView, Forecast {
  readonly pinned: boolean;
}

/** `GET /api/snapshots`, newest first. */
export interface SnapshotList {
  readonly snapshots: readonly ListedSnapshot[];
  readonly more: boolean;
}

export function describeSnapshot(
  entry: CatalogEntry,
  { reasons, state }: Assessment,
  trust: TrustContext,
): SnapshotView {
  const { id, manifest, sizes, verification } = entry;
  return {
    id,
    state: manifest?.state ?? 'unreadable',
    purpose: manifest === null ? null : purposeOf(manifest),
    trust: state,
    reasons,
    source: manifest === null ? null : shortSource(manifest.source),
    label: plainLabel(manifest?.label),
    own: manifest === null || trust.sources === null ? null : trust.sources.has(manifest.source),
    verification: verification === null ? null : verificationOf(verification),
    keys: manifest?.counts.keys ?? null,
    parts: sizes?.parts ?? null,
    plainBytes: sizes?.plain ?? null,
    storedBytes: sizes?.stored ?? null,
    failed: manifest?.ledger.failed.count ?? null,
    unsupported: manifest?.ledger.unsupported.count ?? null,
    unexplained: manifest?.names?.unexplained ?? null,
    encrypted: manifest === null ? null : manifest.recipients.length > 0,
    createdAt: manifest?.createdAt ?? new Date(timeOfId(id)).toISOString(),
    window: manifest?.window ?? null,
    readBackAt: manifest?.readBackAt ?? null,
  };
}

function verificationOf({ state, at, depth }: Verification): SnapshotView['verification'] {
  return { state, at, depth };
}

const BODY_LIMIT = 4 * 1024;
/** Recorded with the reason: all operators share one token. */
const BY = 'admin';

const reason = z.string().min(1).max(500).describe('a text of 1 to 500 characters that explains why');
const acceptBodySchema = z.strictObject({ reason });
const pinBodySchema = z.strictObject({
  pinned: z.boolean().describe('true or false'),
  reason: reason.optional(),
});

/** POST /api/snapshots/{id}/pin: pins a snapshot, which keeps it from being pruned, or unpins it. */
export async function pinOne(ports: ViewPorts, request: Request): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), pinBodySchema);
  const { id } = await selectSnapshot(await connectTrust(environment(), ports), segmentAfter('snapshots', request));
  if (!body.pinned) {
    await unpinSnapshot(ports, id);
    return json(200, { snapshot: id, pinned: null });
  }
  const pinned = await pinSnapshot(ports, id, { by: BY, reason: body.reason ?? '' });
  return json(200, { snapshot: id, pinned });
}

/** POST /api/snapshots/{id}/accept: a doubtful snapshot counts as trusted from now on. */
export async function acceptOne(ports: ViewPorts, request: Request): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), acceptBodySchema);
  const trust = await connectTrust(environment(), ports);
  const { id } = await selectSnapshot(trust, segmentAfter('snapshots', request));
  const marksElsewhere = otherMarkStore(environment(), ports.log);
  const { acceptance, ended } = await acceptSnapshot(trust, id, { by: BY, reason: body.reason, marksElsewhere });
  // A restore that the guard resumes must not overwrite the accepted data.
  const { engine } = runEndingApp(environment(), { log: ports.log });
  for (const run of ended) await cancelIfOpen(engine, ports.store, run);
  return json(200, { snapshot: id, acceptance, ended });
}

const verifyBodySchema = z.strictObject({
  snapshot: snapshotField,
});

/** POST /api/verify: reads a snapshot back and verifies all of it, for an operator. */
export async function adminVerify(app: StoreApp, request: Request, budget: Budget): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), verifyBodySchema);
  const { id: snapshot } = await selectSnapshot(await connectTrust(environment(), app.ports), body.snapshot);
  const started = await startVerify(app.engine, snapshot, 'admin');
  if (!started.started) throw lockedError(started, 'verifying');
  return answerStarted(app, started.run, budget, { snapshot });
}
