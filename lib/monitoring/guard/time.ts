import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Budget } from '../../runs/attempt.js';

/** A share of the time left in a budget. */
export function shareOf(budget: Budget, clock: Clock, share: number): Budget {
  const now = clock.now();
  return { ...budget, deadline: now + Math.max(0, budget.deadline - now) * share };
}

/** Resolves to the result of `work`; throws at the deadline, without stopping the work. */
export async function withDeadline<T>(clock: Clock, deadline: number, work: () => Promise<T>): Promise<T> {
  if (deadline === Number.POSITIVE_INFINITY) return work();
  const over = new AbortController();
  const late = clock.sleep(Math.max(0, deadline - clock.now()), over.signal).then((): T => {
    throw new AppError('interrupted', 'There was not enough time left', {
      hint: 'Find out which step took so long; the next guard will try again. FUNCTION_LIMIT_SECONDS must match vercel.json.',
    });
  });
  // Nothing handles these rejections after the race.
  late.catch(() => undefined);
  const working = work();
  working.catch(() => undefined);
  return Promise.race([working, late]).finally(() => over.abort());
}
