import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { passOver } from '../../control/authenticated-store.js';
import { toAppError } from '../../errors.js';
import { decodeJson, encodeJson } from '../../json.js';
import type { ObjectStore, Ports } from '../../ports/index.js';
import type { StatusReport } from './report.js';

/** The state as it was computed last, for callers who may know no more than that: of each database that is saved in the store. */
const nameOf = (own: string | null): string => `guard/status${own === null ? '' : `-${own.slice(0, 16)}`}.json`;
/** So long it is the answer, in milliseconds. */
const FRESH_MS = 60_000;
/** So long it is the answer while somebody computes the next one. */
const MEANWHILE_MS = 3 * 60_000;
/** Whoever computes the next one has so long before another caller does. */
const CLAIM_MS = 30_000;

const storedSchema = z.object({
  version: z.literal(1),
  state: z.enum(['ok', 'degraded', 'unknown']),
  /** When it was computed, in ISO 8601. */
  at: z.string(),
  /** Whether something happened since that may have changed it. */
  outdated: z.boolean(),
  /** Who computes the next one, and until when nobody else does. */
  claim: z.object({ by: z.string(), until: z.string() }).nullable(),
});
type Stored = z.infer<typeof storedSchema>;

/** What anybody may know. `unknown`: the store cannot be read, or nobody has computed it for too long. */
export interface PublicState {
  readonly state: StatusReport['state'] | 'unknown';
  /** When it was computed; null where it was not. */
  readonly at: string | null;
}

const UNKNOWN: PublicState = { state: 'unknown', at: null };

type Needs = Pick<Ports, 'clock' | 'log' | 'store'> & { readonly own: string | null };

/**
 * The state as it was computed within the last minute: one read. What is older is computed again by one caller at a time
 * with `compute`; the others get what there was before, for three minutes at most. Throws nothing.
 */
export async function publicState(
  ports: Needs,
  compute: () => Promise<Pick<StatusReport, 'at' | 'state'>>,
): Promise<PublicState> {
  try {
    return await fromStore(ports, compute);
  } catch (error) {
    // Whoever asks is not let in: what is wrong, and where, stays in the log.
    ports.log.error('status-unknown', { code: toAppError(error).code, message: toAppError(error).message });
    return UNKNOWN;
  }
}

/** Has the next caller compute the state again. Throws nothing: what is there is out of date in a minute anyway. */
export async function outdateState({ log, own, store }: Pick<Needs, 'log' | 'own' | 'store'>): Promise<void> {
  try {
    const name = nameOf(own);
    const { etag, stored } = await load(store, name);
    if (etag === null || stored === null || stored.outdated) return;
    await store.swap(name, encodeJson({ ...stored, outdated: true }), etag);
  } catch (error) {
    log.warn('status-not-outdated', { code: toAppError(error).code });
  }
}

async function fromStore(
  { clock, own, store }: Needs,
  compute: () => Promise<Pick<StatusReport, 'at' | 'state'>>,
): Promise<PublicState> {
  const name = nameOf(own);
  const { etag, stored } = await load(store, name);
  const now = clock.now();
  const before = stored === null ? UNKNOWN : { state: stored.state, at: stored.at };
  if (stored !== null && !stored.outdated && isWithin(stored.at, now, FRESH_MS)) return before;
  const claimed = isClaimed(stored, now) ? null : await claim(store, name, { etag, stored }, now);
  if (claimed === null) return isWithin(before.at, now, MEANWHILE_MS) ? before : UNKNOWN;
  const { at, state } = await compute();
  await store.swap(name, encodeJson({ version: 1, state, at, outdated: false, claim: null }), claimed);
  return { state, at };
}

interface Loaded {
  readonly etag: string | null;
  readonly stored: Stored | null;
}

async function load(store: ObjectStore, name: string): Promise<Loaded> {
  const found = await store.read(name);
  if (found === null) return { etag: null, stored: null };
  try {
    return { etag: found.etag, stored: storedSchema.parse(decodeJson(found.body)) };
  } catch {
    return { etag: found.etag, stored: passOver(store, name, found) };
  }
}

/** What is dated in the future was written by a clock that was ahead: its age is not known. */
function isWithin(at: string | null, now: number, limitMs: number): boolean {
  const age = now - Date.parse(at ?? '');
  return age >= 0 && age < limitMs;
}

function isClaimed(stored: Stored | null, now: number): boolean {
  const left = Date.parse(stored?.claim?.until ?? '') - now;
  return left > 0 && left <= CLAIM_MS;
}

/** Takes it upon the caller to compute the next one; null when somebody else does. Returns the etag to write it by. */
async function claim(store: ObjectStore, name: string, { etag, stored }: Loaded, now: number): Promise<string | null> {
  const mine = { by: randomUUID(), until: new Date(now + CLAIM_MS).toISOString() };
  const base = stored ?? { version: 1, state: 'unknown', at: new Date(0).toISOString(), outdated: true };
  const body = encodeJson({ ...base, claim: mine });
  if (etag !== null) return store.swap(name, body, etag);
  const made = await store.create(name, body);
  return made.created ? made.etag : null;
}
