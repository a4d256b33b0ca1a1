import { AppError } from '../../errors.js';
import type { Budget } from '../../runs/attempt.js';
import type { Condition, Finding } from '../alerts/condition.js';
import { traitsOf } from '../../run-kinds.js';
import { stuckRuns, type Stuck } from './stuck.js';
import type { GuardParts, Summary } from './parts.js';
import { shareOf } from './time.js';

interface Resumed extends Finding {
  readonly summary: Summary;
}

/**
 * Resumes runs that no attempt holds, over the queue or, without one, in this process. Those that their kind does not let
 * be resumed (`mayResume`) end as failed.
 */
export async function resumeStuck(parts: GuardParts, budget: Budget): Promise<Resumed> {
  const conditions: Condition[] = [];
  let ended = 0;
  const found = (await stuckRuns(parts.ports, parts.times)).filter(({ run }) => parts.engine.isOurs(run));
  for (const stuck of found) {
    const isWorth = parts.engine.mayResume(stuck.run);
    const isEnded = isWorth ? await goOn(parts, stuck, budget) : await end(parts, stuck);
    if (isEnded) ended += 1;
    conditions.push(stuckCondition(stuck, isEnded ? 'the guard ended it as failed' : 'the guard resumed it'));
  }
  const summary = { stuck: found.length, resumed: found.length - ended, ended };
  return { summary, conditions, evaluated: new Set(['run-stuck']) };
}

async function end({ engine }: GuardParts, { run }: Stuck): Promise<boolean> {
  const error = new AppError('abandoned', `Run ${run.id} was not heard of for too long, and the guard ended it`, {
    hint: 'Look at the log for what ended its last attempt (time limit, memory, a service that is down), and start it again.',
  });
  await engine.end(run.id, error);
  return true;
}

/** Returns whether the run had to be ended after all. */
async function goOn(parts: GuardParts, stuck: Stuck, budget: Budget): Promise<boolean> {
  const { engine, ports, queued, work } = parts;
  const { id } = stuck.run;
  try {
    if (queued) await engine.resume(id);
    else await work(id, shareOf(budget, ports.clock, 1 / 2));
    return false;
  } catch (error) {
    // Somebody is at it after all.
    if (error instanceof AppError && error.code === 'busy') return false;
    throw error;
  }
}

/** `outcome`: what was done about it, or will be. */
export function stuckCondition({ run }: Stuck, outcome: string): Condition {
  return {
    code: 'run-stuck',
    subject: run.id,
    message: `Run ${run.id}, a ${traitsOf(run.kind).title}, was not heard of since ${run.updatedAt}: ${outcome}.`,
    hint: 'See the QStash console for undelivered messages and the log of /api/tasks; `npx soulcaster-backup doctor --env-file .env` checks the way there.',
  };
}
