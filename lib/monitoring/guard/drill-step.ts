import { handOver } from '../../runs/hand-over.js';
import type { Budget } from '../../runs/attempt.js';
import { drillHistory, lastVerdict, withRunOutcome, timeOf } from '../drill-view.js';
import { AHEAD_MS, DRILL_EVERY_MS, DRILL_RETRY_MS } from '../objectives.js';
import { trustContext } from '../../snapshot/trust.js';
import { recoveryPoint } from '../recovery-point.js';
import { runsOf } from '../../runs/recent.js';
import type { GuardParts, Summary } from './parts.js';
import { shareOf } from './time.js';

const DRILLS = 10;

/** Starts a drill when one is due, and there is a database to drill in and a snapshot to drill with. */
export async function drillStep(parts: GuardParts, budget: Budget): Promise<Summary> {
  const { engine, ports, queued, startDrill, work } = parts;
  if (parts.drilledBy === null) return { state: 'not-configured' };
  // The functions could open nothing: it would fail.
  if (parts.drilledBy === 'operator') return { state: 'left-to-operator' };
  if (!(await isDue(parts))) return { state: 'not-due' };
  if ((await recoveryPoint(await trustContext(ports, ports.own))).newest === null) return { state: 'no-snapshot' };
  const started = await startDrill();
  if (!started.started) return { state: 'under-way', run: started.holder };
  const { id } = started.run;
  if (queued) {
    await handOver(engine, id);
    return { state: 'started', run: id };
  }
  const run = await work(id, shareOf(budget, ports.clock, 3 / 4));
  return { state: run.state, run: id };
}

/** A drill a week; one that came to no verdict is tried again after a day. */
async function isDue({ drills, ports }: GuardParts): Promise<boolean> {
  const now = ports.clock.now();
  const read = await drillHistory(drills, DRILLS);
  const runs = await runsOf(
    ports.store,
    read.drills.filter(({ outcome }) => outcome === 'started').map(({ id }) => id),
  );
  const history = { ...read, drills: read.drills.map((drill) => withRunOutcome(drill, runs, now)) };
  const verdict = lastVerdict(history, now);
  if (verdict !== null && now - timeOf(verdict) < DRILL_EVERY_MS) return false;
  const last = history.drills.find((drill) => timeOf(drill) <= now + AHEAD_MS);
  return last === undefined || last === verdict || now - timeOf(last) >= DRILL_RETRY_MS;
}
