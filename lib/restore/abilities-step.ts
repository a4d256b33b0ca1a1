import type { Attempt, StepOutcome } from '../runs/model.js';
import { probeAbilities } from './abilities.js';
import { addSpent, openContext, spentSince, type RestorePorts } from './context.js';
import { isKnownEarly } from './live.js';
import { enter } from './phases.js';

/** Asks the target before the plan is made, so that the plan can say what cannot be written. */
export async function abilitiesStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const { input, redis, state } = await openContext(ports, attempt.run, attempt.signal);
  const before = redis.usage();
  const abilities = await probeAbilities(redis);
  const spent = addSpent(state.spent, spentSince(redis, before));
  return enter(isKnownEarly(input) ? 'live' : 'place', { ...state, abilities, spent }, 0, ports.clock.now());
}
