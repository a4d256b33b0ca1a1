import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { passOver } from '../../control/authenticated-store.js';
import { toAppError } from '../../errors.js';
import { encodeJson, parseStored } from '../../json.js';
import type { ObjectStore, Ports } from '../../ports/index.js';
import type { OverallState } from './answers.js';

/** One object per database: the last computed state, for callers that may read nothing else. */
const nameOf = (own: string | null): string => `guard/status${own === null ? '' : `-${own.slice(0, 16)}`}.json`;
/** The state is served for this long. */
const FRESH_MS = 60_000;
/** While another caller computes the next state, the old one is served for this long. */
const MEANWHILE_MS = 3 * 60_000;
/** A caller that computes the next state has this long before another one does. */
const CLAIM_MS = 30_000;

const storedSchema = z.object({
  version: z.literal(1),
  state: z.enum(['ok', 'degraded', 'unknown']),
  at: z.string(),
  /** Whether the state may have changed since. */
  outdated: z.boolean(),
  /** The caller that computes the next state, and until when no other caller does. */
  claim: z.object({ by: z.string(), until: z.string() }).nullable(),
});
type Stored = z.infer<typeof storedSchema>;

/** The state shown without authorization. `unknown`: the store cannot be read, or the state is too old. */
export interface PublicState {
  readonly state: OverallState;
  /** When the state was computed; null if it was not. */
  readonly at: string | null;
}

const UNKNOWN: PublicState = { state: 'unknown', at: null };

interface Computed {
  readonly state: OverallState;
  readonly at: string;
}

type Needs = Pick<Ports, 'clock' | 'log' | 'store'> & { readonly own: string | null };

/**
 * The state computed within the last minute, with one read. An older state is computed again with `compute` by one caller at
 * a time; the others get the old state, for at most three minutes. Never throws.
 */
export async function publicState(ports: Needs, compute: () => Promise<Computed>): Promise<PublicState> {
  try {
    return await readOrCompute(ports, compute);
  } catch (error) {
    // The caller is not authorized: the error is only logged.
    ports.log.error('status-unknown', { code: toAppError(error).code, message: toAppError(error).message });
    return UNKNOWN;
  }
}

/** Makes the next caller compute the state again. Never throws: the state expires within a minute anyway. */
export async function markStateOutdated({ log, own, store }: Pick<Needs, 'log' | 'own' | 'store'>): Promise<void> {
  try {
    const name = nameOf(own);
    const { etag, stored } = await load(store, name);
    if (etag === null || stored === null || stored.outdated) return;
    await store.swap(name, encodeJson({ ...stored, outdated: true }), etag);
  } catch (error) {
    log.warn('status-not-outdated', { code: toAppError(error).code });
  }
}

async function readOrCompute({ clock, own, store }: Needs, compute: () => Promise<Computed>): Promise<PublicState> {
  const name = nameOf(own);
  const { etag, stored } = await load(store, name);
  const now = clock.now();
  const before = stored === null ? UNKNOWN : { state: stored.state, at: stored.at };
  if (stored !== null && !stored.outdated && isWithin(stored.at, now, FRESH_MS)) return before;
  const claimed = isClaimed(stored, now) ? null : await takeClaim(store, name, { etag, stored }, now);
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
  return { etag: found.etag, stored: parseStored(storedSchema, found.body) ?? passOver(store, name, found) };
}

/** A date in the future was written by a clock that was ahead: the age is unknown. */
function isWithin(at: string | null, now: number, limitMs: number): boolean {
  const age = now - Date.parse(at ?? '');
  return age >= 0 && age < limitMs;
}

function isClaimed(stored: Stored | null, now: number): boolean {
  const left = Date.parse(stored?.claim?.until ?? '') - now;
  return left > 0 && left <= CLAIM_MS;
}

/** Claims the computation of the next state. Returns the etag to write it with; null if another caller has the claim. */
async function takeClaim(
  store: ObjectStore,
  name: string,
  { etag, stored }: Loaded,
  now: number,
): Promise<string | null> {
  const mine = { by: randomUUID(), until: new Date(now + CLAIM_MS).toISOString() };
  const base = stored ?? { version: 1, state: 'unknown', at: new Date(0).toISOString(), outdated: true };
  const body = encodeJson({ ...base, claim: mine });
  if (etag !== null) return store.swap(name, body, etag);
  const made = await store.create(name, body);
  return made.created ? made.etag : null;
}
