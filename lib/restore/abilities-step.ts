import type { Leg, StepOutcome } from '../runs/model.js';
import { askAbilities } from './abilities.js';
import { addSpent, openContext, spentSince, type RestorePorts } from './context.js';
import { enter } from './phases.js';

/** Asks the target before the plan is made, so that the plan can say what cannot be written. */
export async function abilitiesStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const { redis, state } = await openContext(ports, leg.run);
  const before = redis.usage();
  const abilities = await askAbilities(redis);
  const spent = addSpent(state.spent, spentSince(redis, before));
  return enter('place', { ...state, abilities, spent }, 0, ports.clock.now());
}
