import { z } from 'zod';
import { parseStored } from '../../json.js';
import type { ObjectStore } from '../../ports/store.js';
import { timeOfId } from '../../runs/ids.js';
import { runName } from '../../runs/records.js';
import { storeNow } from '../../runs/lease-document.js';
import { partIndexPrefix } from '../../snapshot/part-index.js';
import type { RetentionSettings } from '../policy.js';
import { missingSnapshots, type RunSummary, type StoredSnapshots } from '../stored.js';
import { listObjects, objectsOf, type Found } from './sweeper.js';

const DAY_MS = 24 * 3_600_000;
/** A webhook's signature expires after 5 minutes: its id is kept far longer than it can be used. */
const WEBHOOK_DAYS = 30;
const PROBE_DAYS = 1;
const DRILL_DAYS = 366;

const webhookSchema = z.object({ usedAt: z.string() });
const drillSchema = z.object({ outcome: z.string(), source: z.string().nullable().default(null) });

/** Objects that a prune removes besides snapshots. */
export type ObsoleteKind = 'leftovers' | 'orphans' | 'runs' | 'webhooks' | 'probes' | 'drills';

interface StoredContext {
  readonly store: ObjectStore;
  readonly stored: StoredSnapshots;
  readonly runs: readonly RunSummary[];
}

interface ObsoleteContext extends StoredContext {
  readonly settings: RetentionSettings;
  /** Ages are counted to this time. */
  readonly reference: number;
  /** Runs from this id on are needed to check the chain and to show the last runs. */
  readonly newestVerified: string;
}

/** Objects to remove together; the last object is removed last. */
export interface Obsolete {
  readonly kind: ObsoleteKind;
  readonly objects: readonly Found[];
}

/** Objects that are no longer needed, apart from the snapshots that the policy removes. */
export async function* findObsolete(context: ObsoleteContext): AsyncGenerator<Obsolete> {
  yield* findBareSnapshots(context);
  yield* findOldRuns(context);
  yield* findOldWebhooks(context);
  yield* findOldProbes(context);
  yield* findOldDrills(context);
}

/**
 * The parts of failed snapshot runs, except those of the newest, which may show why it failed. No snapshot depends on them:
 * they are removed at any age, and while removals are held as well, since otherwise each failed run fills the store further.
 */
export async function* findPartsOfFailedRuns(context: StoredContext): AsyncGenerator<Obsolete> {
  for (const id of failedBefore(context)) yield { kind: 'orphans', objects: await objectsOf(context.store, id) };
}

function failedBefore({ stored, runs }: Omit<StoredContext, 'store'>): string[] {
  const missing = new Set(missingSnapshots({ stored, runs }));
  const failed = new Set(
    runs.flatMap(({ id, kind, state }) => (kind === 'snapshot' && state === 'failed' ? [id] : [])),
  );
  return stored.bare.filter((id) => failed.has(id) && !missing.has(id) && !stored.tombstones.has(id)).slice(0, -1);
}

async function* findBareSnapshots(context: ObsoleteContext): AsyncGenerator<Obsolete> {
  const { store, stored, runs, settings } = context;
  const found = new Set(failedBefore(context));
  const missing = new Set(missingSnapshots(context));
  const open = new Set(runs.filter((run) => run.recorded && !run.over).map(({ id }) => id));
  for (const id of stored.bare) {
    if (missing.has(id) || open.has(id) || found.has(id)) continue;
    const leftover = stored.tombstones.has(id);
    if (!leftover && !isOld(context, timeOfId(id), settings.asideDays)) continue;
    yield { kind: leftover ? 'leftovers' : 'orphans', objects: await objectsOf(store, id) };
  }
}

async function* findOldRuns(context: ObsoleteContext): AsyncGenerator<Obsolete> {
  const { store, settings, runs, newestVerified } = context;
  for (const run of runs) {
    if ((run.recorded && !run.over) || run.id >= newestVerified) continue;
    const ended = run.finishedAt ?? timeOfId(run.id);
    if (isOld(context, ended, settings.runsDays)) yield { kind: 'runs', objects: await objectsOfRun(store, run.id) };
    else if (run.over && run.state !== 'succeeded' && isOld(context, ended, settings.asideDays)) {
      // Hashes of the keys' names, left by a failed run.
      yield { kind: 'runs', objects: await listObjects(store, partIndexPrefix(run.id)) };
    }
  }
}

/** The record comes last: it explains the other objects. */
async function objectsOfRun(store: ObjectStore, id: string): Promise<Found[]> {
  const found = await listObjects(store, `runs/${id}/`);
  const isRecord = ({ name }: Found): boolean => name === runName(id);
  return [...found.filter((object) => !isRecord(object)), ...found.filter(isRecord)];
}

async function* findOldWebhooks(context: ObsoleteContext): AsyncGenerator<Obsolete> {
  for await (const { name, size, modifiedAt } of context.store.list('webhooks/')) {
    if (!isOld(context, modifiedAt, WEBHOOK_DAYS)) continue;
    const use = await readAs(context.store, name, webhookSchema);
    if (use !== null && isOld(context, Date.parse(use.usedAt), WEBHOOK_DAYS)) {
      yield { kind: 'webhooks', objects: [{ name, size }] };
    }
  }
}

async function* findOldProbes(context: ObsoleteContext): AsyncGenerator<Obsolete> {
  let storeTime: number | null = null;
  for await (const { name, size, modifiedAt } of context.store.list('probe/')) {
    if (!isOld(context, modifiedAt, PROBE_DAYS)) continue;
    // Old by the store's clock, too: with a local clock that is ahead, probes of a running check must not be removed.
    storeTime ??= await storeNow(context.store);
    if (storeTime - modifiedAt >= PROBE_DAYS * DAY_MS) yield { kind: 'probes', objects: [{ name, size }] };
  }
}

/** The newest passed drill of each database is kept at any age: it is the only evidence of the recovery time. */
async function* findOldDrills(context: ObsoleteContext): AsyncGenerator<Obsolete> {
  const found = await listObjects(context.store, 'drills/');
  const passed = new Set<string | null>();
  for (const object of found.reverse()) {
    const drill = await readAs(context.store, object.name, drillSchema);
    const isNewestPassed = drill?.outcome === 'passed' && !passed.has(drill.source);
    if (isNewestPassed) passed.add(drill.source);
    const time = timeOfId(object.name.slice('drills/'.length));
    if (!isNewestPassed && isOld(context, time, DRILL_DAYS)) yield { kind: 'drills', objects: [object] };
  }
}

/** False for an invalid time. */
function isOld({ reference }: ObsoleteContext, time: number, days: number): boolean {
  return reference - time >= days * DAY_MS;
}

async function readAs<T>(store: ObjectStore, name: string, schema: z.ZodType<T>): Promise<T | null> {
  const found = await store.read(name);
  return found === null ? null : parseStored(schema, found.body);
}
