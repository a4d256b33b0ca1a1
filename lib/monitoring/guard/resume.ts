import { AppError } from '../../errors.js';
import type { Budget } from '../../runs/attempt.js';
import type { Condition, Finding } from '../alerts/condition.js';
import { traitsOf } from '../../run-kinds.js';
import type { RunRecord } from '../../runs/model.js';
import { stuckRuns } from './stuck.js';
import type { GuardParts, Summary } from './parts.js';
import { shareOf } from './time.js';

interface Resumed extends Finding {
  readonly summary: Summary;
}

/**
 * Resumes runs without a live attempt, over the queue or, without a queue, in this process. Runs that may not be resumed
 * (`mayResume`) are ended as failed.
 */
export async function resumeStuck(parts: GuardParts, budget: Budget): Promise<Resumed> {
  const conditions: Condition[] = [];
  let ended = 0;
  const found = (await stuckRuns(parts.ports, parts.times)).filter((run) => parts.engine.isOurs(run));
  for (const run of found) {
    const mayResume = parts.engine.mayResume(run);
    if (mayResume) await resumeRun(parts, run, budget);
    else await endRun(parts, run);
    if (!mayResume) ended += 1;
    conditions.push(stuckCondition(run, mayResume ? 'the guard resumed it' : 'the guard ended it as failed'));
  }
  const summary = { stuck: found.length, resumed: found.length - ended, ended };
  return { summary, conditions, evaluated: new Set(['run-stuck']) };
}

async function endRun({ engine }: GuardParts, { id }: RunRecord): Promise<void> {
  const error = new AppError('abandoned', `Run ${id} gave no sign of life for too long, and the guard ended it`, {
    hint: 'Check the log for what ended its last attempt (time limit, memory, a service that is down), then start it again.',
  });
  await engine.end(id, error);
}

async function resumeRun(
  { engine, ports, queued, work }: GuardParts,
  { id }: RunRecord,
  budget: Budget,
): Promise<void> {
  try {
    if (queued) await engine.resume(id);
    else await work(id, shareOf(budget, ports.clock, 1 / 2));
  } catch (error) {
    // Another attempt works on the run.
    if (!(error instanceof AppError && error.code === 'busy')) throw error;
  }
}

/** `outcome`: what the guard did, or will do. */
export function stuckCondition(run: RunRecord, outcome: string): Condition {
  return {
    code: 'run-stuck',
    subject: run.id,
    message: `Run ${run.id}, a ${traitsOf(run.kind).title}, has given no sign of life since ${run.updatedAt}: ${outcome}.`,
    hint: 'Check the QStash console for undelivered messages and the log of /api/tasks; `npx soulcaster-backup doctor --env-file .env` tests whether messages arrive there.',
  };
}
