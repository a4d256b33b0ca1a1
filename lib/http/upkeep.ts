import type { Environment } from '../app/config.js';
import { upkeepSettings } from '../app/guard-app.js';
import type { PrunePorts } from '../retention/prune/prune.js';
import { upkeep, type Outcome, type Upkeep } from '../retention/upkeep.js';
import type { Budget } from '../runs/attempt.js';

/** Prunes and replicates with what is left of a function's time, and says what came of it. Never throws. */
export async function upkeepNow(ports: PrunePorts, env: Environment, budget: Budget): Promise<object> {
  const kept = await upkeep(ports, {
    ...upkeepSettings(env, ports.log),
    deadline: budget.deadline,
    interrupt: budget.interrupt,
  });
  return upkeepView(kept);
}

/** Without the decisions on single snapshots, of which there may be hundreds. */
function upkeepView({ prune, replica, replicaPrune }: Upkeep): object {
  return {
    prune: view(prune, ({ held, snapshots, objects, bytes, keptByStore, missing, finished }) => {
      return { held, snapshots, objects, bytes, keptByStore: keptByStore.count, missing, finished };
    }),
    replica: view(replica, ({ snapshots, copied, bytes, left, unverified, damaged, conflicts }) => {
      return { snapshots, copied, bytes, left, unverified, damaged, conflicts };
    }),
    replicaPrune: view(replicaPrune, ({ held, snapshots, objects, bytes, finished }) => {
      return { held, snapshots, objects, bytes, finished };
    }),
  };
}

function view<T>(outcome: Outcome<T>, describe: (result: T) => object): object {
  if (outcome.state === 'skipped') return outcome;
  const { state, error } = outcome;
  const problem = error === null ? null : { code: error.code, detail: error.message, hint: error.hint };
  return outcome.state === 'done' ? { state, ...describe(outcome.result), error: problem } : { state, error: problem };
}
