import { z } from 'zod';
import { passOver } from '../../control/authenticated-store.js';
import { overwriteObject } from '../../control/object.js';
import { decodeJson, encodeJson } from '../../json.js';
import type { ObjectStore } from '../../ports/store.js';
import { isFromSource } from '../../runs/fit.js';
import { isId } from '../../runs/ids.js';

/** Name of the target that drills restore into: DRILL_REDIS_REST_URL and _TOKEN. */
export const DRILL_TARGET = 'drill';
/** Of whatever writes into the scratch database. */
export const DRILL_LEASE = 'drill';

const DRILLS = 'drills/';

/** `drills/{id}.json`: what a drill came to. */
export const drillSchema = z.object({
  id: z.string(),
  /** Of the database that was protected where it was made; null in records of older versions. */
  source: z.string().nullable().default(null),
  /** `started` until it is over: a drill that broke off stays so, and its run tells why. */
  outcome: z.enum(['started', 'passed', 'failed', 'inconclusive']),
  /** Why it failed or is inconclusive; null when it passed. */
  reason: z.string().nullable(),
  snapshot: z.string().nullable(),
  keys: z.number(),
  startedAt: z.string(),
  finishedAt: z.string().nullable(),
  /** From the beginning of the restore to the end of its proof; null when it did not get there. */
  milliseconds: z.number().nullable(),
  /** From the beginning of the restore until all data were written: the time to service. Null in records of older versions. */
  restoredMilliseconds: z.number().nullable().default(null),
  /** When that was; and when the proof held. */
  restoredAt: z.string().nullable().default(null),
  provenAt: z.string().nullable().default(null),
});
export type Drill = z.infer<typeof drillSchema>;

/** Writes a drill's record over what it said before. */
export function writeDrill(store: ObjectStore, drill: z.input<typeof drillSchema>): Promise<void> {
  return overwriteObject(store, `${DRILLS}${drill.id}.json`, encodeJson(drill));
}

/**
 * The drills of the database that is protected here, newest first; those that cannot be read are passed over. `own`: its source;
 * null for those of all.
 */
export async function* drills(store: ObjectStore, own: string | null): AsyncGenerator<Drill> {
  const names: string[] = [];
  for await (const { name } of store.list(DRILLS)) {
    if (isId(name.slice(DRILLS.length, -'.json'.length))) names.push(name);
  }
  for (const name of names.reverse()) {
    const found = await store.read(name);
    if (found === null) continue;
    const parsed = drillSchema.safeParse(readable(found.body));
    if (!parsed.success) passOver(store, name, found);
    else if (isFromSource(parsed.data, own)) yield parsed.data;
  }
}

function readable(body: Buffer): unknown {
  try {
    return decodeJson(body);
  } catch {
    return null;
  }
}
