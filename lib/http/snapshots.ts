import { z } from 'zod';
import { environment, problemOfSection } from '../app/config.js';
import { retentionSettings } from '../app/settings.js';
import { connectTrust } from '../app/connect/database.js';
import { forecast, retentionEntry, type Forecast } from '../retention/forecast.js';
import { timeOfId } from '../runs/ids.js';
import type { RetentionEntry } from '../retention/policy.js';
import type { CatalogEntry } from '../snapshot/catalog.js';
import { refreshEntries } from '../snapshot/catalog-object.js';
import { assessor, describeSnapshot } from '../snapshot/latest.js';
import { readPins } from '../snapshot/pins.js';
import { neededByRestores } from '../snapshot/unfinished-marks.js';
import type { Assessment, TrustContext } from '../snapshot/trust.js';
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
  const forecasts = computeForecasts(seen, trust, { inUse: await neededByRestores(ports.store), pinned: pins });
  const snapshots = entries.slice(0, limit).map((entry): ListedSnapshot => {
    const { kept, goesAt } = forecasts.get(entry.id) ?? NO_FORECAST;
    return { ...viewSnapshot(entry, assessed(entry), trust), kept, goesAt, pinned: pins.has(entry.id) };
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
  { inUse, pinned }: { readonly inUse: ReadonlySet<string>; readonly pinned: ReadonlyMap<string, unknown> },
): ReadonlyMap<string, Forecast> {
  const env = environment();
  if (problemOfSection(env, 'retention') !== null) return new Map();
  const now = trust.clock.now();
  const policy = retentionSettings(env);
  const parts = entries.map(({ id, sha256, state }) => `${id} ${sha256} ${state}`);
  const of = JSON.stringify([new Date(now).toISOString().slice(0, 13), policy, [...pinned.keys()], [...inUse], parts]);
  if (cached?.of !== of)
    cached = {
      of,
      forecasts: forecast(entries, policy, { now, inUse, pinned, lastRunsFailed: false }).byId,
    };
  return cached.forecasts;
}

/** A snapshot in the API. */
export type SnapshotView = ReturnType<typeof viewSnapshot>;

export interface ListedSnapshot extends SnapshotView, Forecast {
  readonly pinned: boolean;
}

/** `GET /api/snapshots`, newest first. */
export interface SnapshotList {
  readonly snapshots: readonly ListedSnapshot[];
  readonly more: boolean;
}

export function viewSnapshot(entry: CatalogEntry, assessment: Assessment, trust: TrustContext) {
  const { id, manifest, verification } = entry;
  return {
    ...describeSnapshot(entry, assessment, trust),
    verification:
      verification === null ? null : { state: verification.state, at: verification.at, depth: verification.depth },
    /** Keys whose reads failed. */
    failed: manifest?.ledger.failed.count ?? null,
    encrypted: manifest === null ? null : manifest.recipients.length > 0,
    createdAt: manifest?.createdAt ?? new Date(timeOfId(id)).toISOString(),
    window: manifest?.window ?? null,
    readBackAt: manifest?.readBackAt ?? null,
  };
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
