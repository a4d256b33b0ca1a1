import type { z } from 'zod';
import { decodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { passOver } from './authenticated-store.js';

/**
 * An object of a form that is known here; null when there is none, or one of another form, which is then reported by
 * name (`passOver`).
 */
export async function readKnown<T>(store: ObjectStore, name: string, schema: z.ZodType<T>): Promise<T | null> {
  const found = await store.read(name);
  if (found === null) return null;
  try {
    return schema.parse(decodeJson(found.body));
  } catch {
    return passOver(store, name, found);
  }
}
