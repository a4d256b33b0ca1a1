import { z } from 'zod';
import { decodeJson, encodeJson } from '../../json.js';
import type { ObjectStore } from '../../ports/store.js';
import { fingerprint } from '../../rotation/model.js';

const NAME = 'credentials/github-token.json';
const SALT = 'github-token';

const noteSchema = z.object({ token: z.string(), expiresAt: z.number() });

/** When tokens expire, recorded while GitHub still reports it: it gives the same answer for expired and revoked tokens. */
export interface ExpiryNotes {
  /** In milliseconds since the epoch; null if nothing is recorded for this token. */
  load(token: string): Promise<number | null>;
  save(token: string, expiresAt: number): Promise<void>;
}

/** Keeps the expiry in the store with a fingerprint of the token. A failing store must not fail the check. */
export function storedExpiry(open: () => ObjectStore): ExpiryNotes {
  const read = async (): Promise<{ note: z.output<typeof noteSchema> | null; etag: string | null }> => {
    const found = await open().read(NAME);
    if (found === null) return { note: null, etag: null };
    return { note: noteSchema.safeParse(decodeJson(found.body)).data ?? null, etag: found.etag };
  };
  return {
    async load(token) {
      const note = await read().then(
        (found) => found.note,
        () => null,
      );
      return note?.token === fingerprint(SALT, token) ? note.expiresAt : null;
    },
    async save(token, expiresAt) {
      try {
        const { etag, note } = await read();
        const fresh = { token: fingerprint(SALT, token), expiresAt };
        if (note?.token === fresh.token && note.expiresAt === expiresAt) return;
        const body = encodeJson(fresh);
        await (etag === null ? open().create(NAME, body) : open().swap(NAME, body, etag));
      } catch {
        // The next check records it.
      }
    },
  };
}

/** Records nothing: for values that are only tried, and without a store. */
export const NO_NOTES: ExpiryNotes = { load: () => Promise.resolve(null), save: () => Promise.resolve() };
