import { toAppError } from '../errors.js';
import type { RunKind, RunRecord } from '../runs/model.js';
import { tell } from './alerts/tell.js';
import type { Judging } from './guard/parts.js';
import { by } from './guard/time.js';
import { pulse } from './heartbeat.js';
import { judge } from './judge.js';

/** What alerts go by. */
const TELLING: ReadonlySet<RunKind> = new Set<RunKind>(['snapshot', 'drill', 'restore']);
/** A function that has done its work has about so long before it is killed, in milliseconds. */
const LIMIT_MS = 20_000;

/**
 * Judges and tells between two turns of the guard, so that the alert of a night's failure comes that night and its
 * recovery as soon as it is over. Returns whether the recovery point objective is met. Throws nothing, and gives up
 * after 20 seconds: what was not told is told by the next guard.
 */
export async function look(judging: Judging): Promise<boolean> {
  const { clock, log } = judging.ports;
  try {
    return await by(clock, clock.now() + LIMIT_MS, async () => {
      const { finding, pointMet } = await judge(judging);
      await tell(judging.ports, finding);
      return pointMet;
    });
  } catch (error) {
    log.warn('look-broken-off', { code: toAppError(error).code });
    return false;
  }
}

/** What follows the end of a run: a look and, after a snapshot, a ping that says whether the objective is met. */
export async function afterRun(judging: Judging, run: RunRecord): Promise<void> {
  if (!TELLING.has(run.kind)) return;
  const pointMet = await look(judging);
  if (run.kind !== 'snapshot') return;
  await pulse(judging.ports, run.state === 'succeeded' && pointMet ? 'success' : 'fail');
}
