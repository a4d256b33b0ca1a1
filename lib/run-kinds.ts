import { REINDEX } from './reindex/kind.js';
import { DRILL, RESTORE } from './restore/kinds.js';
import type { RunTraits } from './runs/traits.js';
import { SNAPSHOT, VERIFY } from './snapshot/kinds.js';

/** All kinds of runs, in the order of display, including kinds that cannot run here for lack of configuration. */
export const RUN_KINDS: readonly RunTraits[] = [SNAPSHOT, RESTORE, VERIFY, DRILL, REINDEX];

/** The traits of a kind; an unknown kind, as of a newer version, has its name as its title. */
export function traitsOf(kind: string): RunTraits {
  return (
    RUN_KINDS.find((each) => each.kind === kind) ?? { kind, title: kind, plural: kind, words: {}, figures: () => [] }
  );
}

/** Whether this version knows the kind; runs of other kinds are left to the version that started them. */
export function isKnownKind(kind: string): boolean {
  return RUN_KINDS.some((each) => each.kind === kind);
}
