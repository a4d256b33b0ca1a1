import { REINDEX } from './reindex/kind.js';
import { DRILL, RESTORE } from './restore/kinds.js';
import type { RunTraits } from './runs/traits.js';
import { SNAPSHOT, VERIFY } from './snapshot/kinds.js';

/** Every kind of run, in the order in which people are offered them; one of them may be one that cannot be worked on here. */
export const RUN_KINDS: readonly RunTraits[] = [SNAPSHOT, RESTORE, VERIFY, DRILL, REINDEX];

/** A kind that is not known, such as that of a newer version, is called by its name. */
export function traitsOf(kind: string): RunTraits {
  return (
    RUN_KINDS.find((each) => each.kind === kind) ?? { kind, title: kind, plural: kind, words: {}, figures: () => [] }
  );
}

/** Whether this version knows runs of the kind: those that it does not are for the version that started them. */
export function isKnownKind(kind: string): boolean {
  return RUN_KINDS.some((each) => each.kind === kind);
}
