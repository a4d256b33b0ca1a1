import { z } from 'zod';
import { decodeJson, encodeJson } from '../../json.js';
import type { ObjectStore } from '../../ports/store.js';
import { fingerprint } from '../../rotation/model.js';

const NAME = 'credentials/github-token.json';
const SALT = 'github-token';

const noteSchema = z.object({ token: z.string(), expiresAt: z.number() });

/** When a token ends, noted while GitHub still tells: it answers the same for an expired and for a revoked one. */
export interface ExpiryNotes {
  /** In milliseconds since the epoch; null when nothing was noted of this token. */
  recall(token: string): Promise<number | null>;
  note(token: string, expiresAt: number): Promise<void>;
}

/** Notes in the store, with a fingerprint in the place of the token. A store that fails must not fail the check. */
export function storedExpiry(open: () => ObjectStore): ExpiryNotes {
  const read = async (): Promise<{ note: z.output<typeof noteSchema> | null; etag: string | null }> => {
    const found = await open().read(NAME);
    if (found === null) return { note: null, etag: null };
    return { note: noteSchema.safeParse(decodeJson(found.body)).data ?? null, etag: found.etag };
  };
  return {
    async recall(token) {
      const note = await read().then(
        (found) => found.note,
        () => null,
      );
      return note?.token === fingerprint(SALT, token) ? note.expiresAt : null;
    },
    async note(token, expiresAt) {
      try {
        const { etag, note } = await read();
        const fresh = { token: fingerprint(SALT, token), expiresAt };
        if (note?.token === fresh.token && note.expiresAt === expiresAt) return;
        const body = encodeJson(fresh);
        await (etag === null ? open().create(NAME, body) : open().swap(NAME, body, etag));
      } catch {
        // The next look notes it.
      }
    },
  };
}

/** Nothing is noted: for values that are only tried, and where there is no store. */
export const NO_NOTES: ExpiryNotes = { recall: () => Promise.resolve(null), note: () => Promise.resolve() };
