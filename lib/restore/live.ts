import type { RedisPort } from '../ports/redis.js';
import type { Leg, StepOutcome } from '../runs/model.js';
import type { FactList } from '../soulcaster/project-scope.js';
import type { RestoreCheckpoint } from './checkpoint.js';
import { addSpent, openContext, spentSince, type RestorePorts } from './context.js';
import { enter } from './phases.js';
import { liveFactsOf, mergeFactLists } from './scope.js';
import { usersListing } from './user-projects.js';
import { goOnLater, walk, type LiveKey } from './walk.js';

/**
 * Finds what is tied to the project in the target as it is now: jobs and clusters that came up after the snapshot name
 * no project in their keys. Done before anything is written, since what ties them may be written over.
 */
export async function liveStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const { input, state, redis } = await openContext(ports, leg.run);
  const done = (next: RestoreCheckpoint): StepOutcome => enter('weigh', { ...next, walked: 0 }, 0, ports.clock.now());
  if ('all' in input.scope || input.mode !== 'replace' || state.targetEmpty) return done(state);
  const { project } = input.scope;
  const factsOf = input.undoes ? withUsers : liveFactsOf;
  const before = redis.usage();
  let facts = mergeFactLists(state.liveFacts, state.facts);
  const walked = await walk(redis, leg, state, async (keys) => {
    facts = mergeFactLists(facts, await factsOf(redis, project, keys));
  });
  const spent = addSpent(state.spent, spentSince(redis, before));
  const next = { ...state, liveFacts: facts, spent };
  return walked.cursor === null ? done(next) : goOnLater(next, walked);
}

/** An undo also takes the project off the lists that the restore put it on. */
async function withUsers(redis: RedisPort, project: string, keys: readonly LiveKey[]): Promise<FactList> {
  const users = await usersListing(redis, project, keys);
  return mergeFactLists(await liveFactsOf(redis, project, keys), { jobs: [], clusters: [], users });
}
