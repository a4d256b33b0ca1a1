import { AppError, toAppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { freeLease } from './lease.js';
import type { Budget } from './leg.js';
import { isOver, type RunFailure, type RunRecord } from './model.js';
import { loadRun, saveRun } from './records.js';

export { isOver } from './model.js';

type Needs = Pick<Ports, 'clock' | 'log' | 'store'>;

export function failureOf(error: AppError): RunFailure {
  return { code: error.code, message: error.message, hint: error.hint };
}

/** Whether the caller should let the error pass, because the same work will be tried again. */
export function willBeRetried(error: AppError, budget: Budget | null): boolean {
  return error.transient && budget !== null && !budget.lastAttempt && !budget.interrupt.aborted;
}

/**
 * Ends a run as failed, unless it is over already or the error is one that a retry may get past: that one is thrown.
 * Somebody else's write in between only means to look again. `letGo`: see `RunDefinition`.
 */
export async function endRun(
  ports: Needs,
  id: string,
  cause: unknown,
  budget: Budget | null,
  letGo: LetGo = () => Promise.resolve(),
): Promise<RunRecord> {
  const error = toAppError(cause);
  if (willBeRetried(error, budget)) throw error;
  for (;;) {
    const held = await loadRun(ports.store, id);
    if (isOver(held.record)) return held.record;
    try {
      const at = new Date(ports.clock.now()).toISOString();
      const failed = {
        ...held.record,
        state: 'failed',
        error: failureOf(error),
        checkpoint: null,
        updatedAt: at,
        finishedAt: at,
      } as const;
      const saved = await saveRun(ports.store, held, failed);
      await freeLease(ports, failed.lease, id);
      await lettingGo(ports, held.record, letGo);
      ports.log.error('run-failed', { run: id, code: error.code, message: error.message });
      return saved.record;
    } catch (conflict) {
      if (!(conflict instanceof AppError) || conflict.code !== 'fenced') throw conflict;
    }
  }
}

type LetGo = (run: RunRecord) => Promise<void>;

/** What cannot be given back runs out by itself: the end of the run stands either way. */
export async function lettingGo(ports: Pick<Ports, 'log'>, run: RunRecord, letGo: LetGo): Promise<void> {
  try {
    await letGo(run);
  } catch (error) {
    ports.log.warn('locks-not-released', { run: run.id, code: toAppError(error).code });
  }
}
