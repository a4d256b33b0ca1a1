import type { Clock } from '../ports/clock.js';
import type { Engine } from './engine.js';
import { isOver } from './ending.js';
import type { RunRecord } from './model.js';

/** Told of a run that has just ended. Throws nothing. */
export type OnRunEnded = (run: RunRecord) => Promise<void>;

/**
 * An engine that tells of each run that ends under its hands. Two processes that see the same end may both tell of it;
 * a process that dies in between tells of none.
 */
export function announcing(engine: Engine, clock: Clock, onEnded: OnRunEnded): Engine {
  const telling = async (work: () => Promise<RunRecord>): Promise<RunRecord> => {
    const from = clock.now();
    const run = await work();
    if (isOver(run) && Date.parse(run.finishedAt ?? '') >= from) await onEnded(run);
    return run;
  };
  return {
    ...engine,
    work: (id, budget) => telling(() => engine.work(id, budget)),
    end: (id, error) => telling(() => engine.end(id, error)),
    deliver: (body, budget) => telling(() => engine.deliver(body, budget)),
  };
}
