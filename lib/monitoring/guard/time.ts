import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Budget } from '../../runs/attempt.js';

/** A part of what is left of a budget. */
export function shareOf(budget: Budget, clock: Clock, share: number): Budget {
  const now = clock.now();
  return { ...budget, deadline: now + Math.max(0, budget.deadline - now) * share };
}

/** What `work` resolves to, unless it takes until the deadline: then it is left to itself, and an error thrown. */
export async function by<T>(clock: Clock, deadline: number, work: () => Promise<T>): Promise<T> {
  if (deadline === Number.POSITIVE_INFINITY) return work();
  const over = new AbortController();
  const late = clock.sleep(Math.max(0, deadline - clock.now()), over.signal).then((): T => {
    throw new AppError('interrupted', 'There was no time left for it', {
      hint: 'See which step took so long; the next guard tries again. FUNCTION_LIMIT_SECONDS must be what vercel.json gives.',
    });
  });
  // After the race nobody listens to the loser any more.
  late.catch(() => undefined);
  const working = work();
  working.catch(() => undefined);
  return Promise.race([working, late]).finally(() => over.abort());
}
