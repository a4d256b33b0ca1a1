import { z } from 'zod';
import { passOver } from '../../control/authenticated-store.js';
import { overwriteObject } from '../../control/object.js';
import { encodeJson, parseStored } from '../../json.js';
import type { ObjectStore } from '../../ports/store.js';
import { isFromSource } from '../../runs/fit.js';
import { isId } from '../../runs/ids.js';

/** Name of the target of drills: DRILL_REDIS_REST_URL and _TOKEN. */
export const DRILL_TARGET = 'drill';
/** The lease of every run that writes into the scratch database. */
export const DRILL_LEASE = 'drill';

const DRILLS = 'drills/';

/** `drills/{id}.json`: the result of a drill. */
export const drillSchema = z.object({
  id: z.string(),
  /** The source of the protected database; null in records of older versions. */
  source: z.string().nullable().default(null),
  /** `started` until the drill is over; a drill that died stays so, and its run says why. */
  outcome: z.enum(['started', 'passed', 'failed', 'inconclusive']),
  /** Why the drill failed or is inconclusive; null when it passed. */
  reason: z.string().nullable(),
  snapshot: z.string().nullable(),
  keys: z.number(),
  startedAt: z.string(),
  finishedAt: z.string().nullable(),
  /** From the start of the restore to the end of its proof; null when it did not get there. */
  milliseconds: z.number().nullable(),
  /** From the start of the restore until all data were written: the time to service. Null in records of older versions. */
  restoredMilliseconds: z.number().nullable().default(null),
  /** When all data were written, and when they were proven. */
  restoredAt: z.string().nullable().default(null),
  provenAt: z.string().nullable().default(null),
});
export type Drill = z.infer<typeof drillSchema>;

/** Writes a drill's record, replacing an earlier one. */
export function writeDrill(store: ObjectStore, drill: z.input<typeof drillSchema>): Promise<void> {
  return overwriteObject(store, `${DRILLS}${drill.id}.json`, encodeJson(drill));
}

/** Drills, newest first; unreadable records are skipped. `own`: the source whose drills are wanted; null for all. */
export async function* drills(store: ObjectStore, own: string | null): AsyncGenerator<Drill> {
  const names: string[] = [];
  for await (const { name } of store.list(DRILLS)) {
    if (isId(name.slice(DRILLS.length, -'.json'.length))) names.push(name);
  }
  for (const name of names.reverse()) {
    const found = await store.read(name);
    if (found === null) continue;
    const drill = parseStored(drillSchema, found.body);
    if (drill === null) passOver(store, name, found);
    else if (isFromSource(drill, own)) yield drill;
  }
}
