import { z } from 'zod';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import type { Print } from './embed/prints.js';
import { SKIP_REASONS } from './model.js';

const partialSchema = z.object({
  prints: z.array(z.union([z.null(), z.string(), z.tuple([z.string(), z.enum(SKIP_REASONS)])])),
});

/**
 * What a batch came to before a rate limit ended its try: the next try embeds the rest alone. Otherwise a batch that is
 * larger than the limit of a whole minute would never come to its end.
 */
export async function loadPartial(
  store: ObjectStore,
  run: string,
  kind: 'embed' | 'late',
  task: number,
): Promise<readonly Print[]> {
  const found = await store.read(partialName(run, kind, task));
  return found === null ? [] : (partialSchema.safeParse(decodeJson(found.body)).data?.prints ?? []);
}

export async function savePartial(
  store: ObjectStore,
  run: string,
  kind: 'embed' | 'late',
  task: number,
  prints: readonly Print[],
): Promise<void> {
  const name = partialName(run, kind, task);
  const body = encodeJson({ prints });
  const found = await store.read(name);
  // Whoever loses to another try of the same task loses only the texts that both have embedded.
  await (found === null ? store.create(name, body) : store.swap(name, body, found.etag));
}

function partialName(run: string, kind: 'embed' | 'late', task: number): string {
  return `runs/${run}/partial/${kind}-${String(task).padStart(6, '0')}.json`;
}
