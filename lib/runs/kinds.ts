interface KindTraits {
  /** What people call it: a noun without an article. */
  readonly title: string;
  /** The heading of many of them. */
  readonly plural: string;
  /** Whether alerts are evaluated when one has ended: its result is something that they go by. */
  readonly evaluated: boolean;
  /** Whether its progress counts bytes; else it counts tasks. */
  readonly countsBytes: boolean;
}

/** Every kind of run there is, which may be one that cannot be worked on here. */
const KINDS = {
  snapshot: { title: 'backup', plural: 'Backups', evaluated: true, countsBytes: true },
  restore: { title: 'restore', plural: 'Restores', evaluated: true, countsBytes: false },
  verify: { title: 'verification', plural: 'Verifications', evaluated: false, countsBytes: true },
  drill: { title: 'restore drill', plural: 'Drills', evaluated: true, countsBytes: false },
  reindex: { title: 're-index', plural: 'Re-indexes', evaluated: false, countsBytes: false },
} as const satisfies Record<string, KindTraits>;

export type RunKind = keyof typeof KINDS;
export const RUN_KINDS = Object.keys(KINDS) as readonly RunKind[] as readonly [RunKind, ...RunKind[]];

export function traitsOf(kind: RunKind): KindTraits {
  return KINDS[kind];
}
