import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';

/** Resolves to the result of `work`; throws the error `late` at the deadline, without stopping the work. */
export async function withDeadline<T>(
  clock: Clock,
  deadline: number,
  work: () => Promise<T>,
  late = outOfTime,
): Promise<T> {
  if (deadline === Number.POSITIVE_INFINITY) return work();
  const over = new AbortController();
  const timeout = clock.sleep(Math.max(0, deadline - clock.now()), over.signal).then((): T => {
    throw late();
  });
  // Nothing handles these rejections after the race.
  timeout.catch(() => undefined);
  const working = Promise.resolve().then(work);
  working.catch(() => undefined);
  return Promise.race([working, timeout]).finally(() => over.abort());
}

function outOfTime(): AppError {
  return new AppError('interrupted', 'There was not enough time left', {
    hint: 'Find out which step took so long; the next guard will try again. FUNCTION_LIMIT_SECONDS must match vercel.json.',
  });
}
