import { handOver } from '../../runs/hand-over.js';
import type { Budget } from '../../runs/leg.js';
import { trustContext } from '../../snapshot/trust.js';
import { startSnapshot } from '../../snapshot/run.js';
import { SNAPSHOT_AFTER_MS } from '../objectives.js';
import { mayBeOlder, recoveryPoint } from '../recovery-point.js';
import type { GuardParts, Summary } from './parts.js';
import { shareOf } from './time.js';

/** Takes a snapshot when the newest good one is no longer young, or may not be. A run that is under way is left to do so. */
export async function snapshotStep(parts: GuardParts, budget: Budget): Promise<Summary> {
  const { engine, ports, queued, work } = parts;
  const context = await trustContext(ports, ports.own);
  const { ageHours, ageMs, newest } = await recoveryPoint(context);
  const isYoung = newest !== null && ageMs !== null && ageMs < SNAPSHOT_AFTER_MS;
  if (isYoung && !(await mayBeOlder(context, newest))) return { state: 'young', ageHours };
  const started = await startSnapshot(engine, 'guard');
  if (!started.started) return { state: 'under-way', ageHours, run: started.holder };
  const { id } = started.run;
  if (queued) {
    await handOver(engine, id);
    return { state: 'started', ageHours, run: id };
  }
  const run = await work(id, shareOf(budget, ports.clock, 3 / 4));
  return { state: run.state, ageHours, run: id };
}
