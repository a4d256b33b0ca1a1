import { toAppError } from '../errors.js';
import { trustContext } from '../snapshot/trust.js';
import type { Finding } from './alerts/condition.js';
import { judgeFacts } from './alerts/from-facts.js';
import { gatherFacts } from './facts.js';
import type { Judging } from './guard/parts.js';
import { recoveryPointOf } from './recovery-point.js';
import { readState } from './state.js';

export interface Judged {
  readonly finding: Finding;
  /** Whether the recovery point objective is met; false when it cannot be known. */
  readonly pointMet: boolean;
}

/**
 * Judges what stands in the store. `guardRanAt`: when the guard ran last; left out, its state says. A store that cannot be
 * read is what there is to tell then, and of all else nothing is known. Throws nothing.
 */
export async function judge({ drills, hasScratch, ports, skipTypes }: Judging, guardRanAt?: string): Promise<Judged> {
  try {
    // Read in any case: that it cannot be is something to tell.
    const state = await readState(ports.store);
    const ranAt = guardRanAt ?? state.lastRunAt;
    const facts = await gatherFacts(await trustContext(ports, ports.own), drills);
    const pointMet = recoveryPointOf(facts).met;
    const isGuard = guardRanAt !== undefined;
    return { finding: judgeFacts(facts, { hasScratch, guardRanAt: ranAt, skipTypes, isGuard }), pointMet };
  } catch (error) {
    const { code, message, hint } = toAppError(error);
    ports.log.error('not-judged', { code, message });
    const condition = { code: 'store-unavailable', subject: 'store', message, hint } as const;
    return { finding: { conditions: [condition], judged: new Set(['store-unavailable']) }, pointMet: false };
  }
}
