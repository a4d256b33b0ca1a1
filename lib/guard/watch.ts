import { toAppError } from '../errors.js';
import type { RunKind, RunRecord } from '../runs/model.js';
import { tell } from './alerts/tell.js';
import type { Judging } from './guard/parts.js';
import { by } from './guard/time.js';
import type { AlertNotice } from '../ports/alerter.js';
import { pulse } from './heartbeat.js';
import { judge } from './judge.js';

/** What alerts go by. */
const TELLING: ReadonlySet<RunKind> = new Set<RunKind>(['snapshot', 'drill', 'restore']);
/** A function that has done its work has about so long before it is killed, in milliseconds. */
const LIMIT_MS = 20_000;

/** What an evaluation found and sent. */
export interface Looked {
  /** Whether the recovery point objective is met; false when that could not be found out. */
  readonly pointMet: boolean;
  readonly sent: readonly AlertNotice[];
}

/**
 * Evaluates the alerts and sends what is due: at the start of a night's backup and of the guard's turn, before they heal
 * what they find, and when a run has ended. Throws nothing, and gives up after 20 seconds: what was not sent is sent by
 * the next guard.
 */
export async function look(judging: Judging): Promise<Looked> {
  const { clock, log } = judging.ports;
  try {
    return await by(clock, clock.now() + LIMIT_MS, async () => {
      const { finding, pointMet } = await judge(judging);
      return { pointMet, sent: (await tell(judging.ports, finding)).notices };
    });
  } catch (error) {
    log.warn('look-broken-off', { code: toAppError(error).code });
    return { pointMet: false, sent: [] };
  }
}

/** What follows the end of a run: a look and, after a snapshot, a ping that says whether the objective is met. */
export async function afterRun(judging: Judging, run: RunRecord): Promise<void> {
  if (!TELLING.has(run.kind)) return;
  const { pointMet } = await look(judging);
  if (run.kind !== 'snapshot') return;
  await pulse(judging.ports, run.state === 'succeeded' && pointMet ? 'success' : 'fail');
}
