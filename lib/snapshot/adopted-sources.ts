import { z } from 'zod';
import { passOver } from '../control/authenticated-store.js';
import { updateObject } from '../control/object.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';

/** `guard/sources.json`: by the source of a database, the earlier databases that it replaced. */
export const SOURCES_NAME = 'guard/sources.json';

const adoptedSchema = z.object({ source: z.string(), reason: z.string(), at: z.string() });
const sourcesSchema = z.record(z.string(), z.array(adoptedSchema));
type AdoptedSource = z.infer<typeof adoptedSchema>;
type Sources = z.infer<typeof sourcesSchema>;

/** Reads the sources whose snapshots are of this database: its own, those it adopted, and those that these adopted. */
export async function readAdoptedSources(store: ObjectStore, own: string): Promise<Set<string>> {
  const found = await store.read(SOURCES_NAME);
  const all = parse(found?.body);
  if (found !== null && all === UNREADABLE) passOver(store, SOURCES_NAME, found);
  const known = new Set([own]);
  // The loop also visits sources that are added to the set meanwhile.
  for (const source of known) for (const { source: earlier } of all[source] ?? []) known.add(earlier);
  return known;
}

/** Records that `own` replaces the database `adopted.source`; false when that is recorded already. */
export function adoptSource(store: ObjectStore, own: string, adopted: AdoptedSource): Promise<boolean> {
  return updateSources(store, (all) => {
    const list = all[own] ?? [];
    return list.some(({ source }) => source === adopted.source) ? null : { ...all, [own]: [...list, adopted] };
  });
}

/** Removes an adoption; false when there is none. */
export function disownSource(store: ObjectStore, own: string, source: string): Promise<boolean> {
  return updateSources(store, (all) => {
    const list = all[own] ?? [];
    const left = list.filter((each) => each.source !== source);
    return left.length === list.length ? null : { ...all, [own]: left };
  });
}

function updateSources(store: ObjectStore, edit: (all: Sources) => Sources | null): Promise<boolean> {
  return updateObject(store, SOURCES_NAME, 'The list of adopted sources', (found) => {
    const next = edit(parse(found?.body));
    return next === null ? null : encodeJson(next);
  });
}

const UNREADABLE: Sources = {};

/** A list that cannot be read counts as empty. */
function parse(body: Buffer | undefined): Sources {
  try {
    return body === undefined ? {} : sourcesSchema.parse(decodeJson(body));
  } catch {
    return UNREADABLE;
  }
}
