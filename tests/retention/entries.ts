import type { Policy, RetentionEntry } from '../../lib/retention/policy.js';
import { newId } from '../../lib/runs/ids.js';
import type { Manifest } from '../../lib/snapshot/manifest.js';

export interface Made {
  readonly at: number;
  readonly keys: number;
  readonly kind: 'good' | 'safety' | 'incomplete' | 'damaged' | 'unchecked' | 'unreadable' | 'newer';
  readonly isAuthentic: boolean;
  /** When it was found damaged; default: at once. */
  readonly foundAt?: number;
}

const STATES = {
  good: 'trusted',
  safety: 'safety',
  incomplete: 'incomplete',
  damaged: 'damaged',
  unchecked: 'unverified',
  unreadable: 'unreadable',
  newer: 'unreadable',
} as const satisfies Record<Made['kind'], RetentionEntry['state']>;

/** A policy that keeps nothing by itself. */
export const NONE: Policy = {
  keepLast: 0,
  keepWithinHours: 0,
  keepDaily: 0,
  keepWeekly: 0,
  keepMonthly: 0,
  asideDays: 0,
};

/** A snapshot as retention sees it, of which only that is filled in. */
export function entryAt({ at, keys, kind, isAuthentic, foundAt = at }: Made): RetentionEntry {
  const id = newId(at);
  const manifest = {
    id,
    state: kind === 'incomplete' ? 'incomplete' : 'complete',
    ...(kind === 'safety' ? { purpose: 'safety' } : {}),
    counts: { keys },
    dbsize: { before: keys, after: keys },
  } as unknown as Manifest;
  const state = kind === 'damaged' ? ('damaged' as const) : ('verified' as const);
  const verification = { state, at: new Date(foundAt).toISOString(), run: id, depth: 'lines' as const, findings: [] };
  const unread = kind === 'unreadable' || kind === 'newer';
  return {
    id,
    manifest: unread ? null : manifest,
    verification: unread || kind === 'unchecked' ? null : verification,
    isAuthentic,
    newerFormat: kind === 'newer',
    missingParts: 0,
    sizes: null,
    fences: null,
    sealed: null,
    sha256: 'stored',
    accepted: null,
    adopted: null,
    state: STATES[kind],
    ours: true,
  };
}
