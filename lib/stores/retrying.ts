import type { Clock } from '../ports/clock.js';
import type { ObjectStore } from '../ports/store.js';
import { DEFAULT_RETRY, type RetryPolicy, withRetry } from '../services/retry.js';

/**
 * The same store, with retries of transient failures. A listing that breaks off is started again and continues after the
 * last item that was yielded, so none is repeated or lost; each yielded item resets the count of attempts.
 */
export function retryingStore(store: ObjectStore, clock: Clock, policy: RetryPolicy = DEFAULT_RETRY): ObjectStore {
  const callWithRetry = <T>(call: () => Promise<T>): Promise<T> => withRetry(clock, call, policy);
  return {
    read: (name) => callWithRetry(() => store.read(name)),
    create: (name, body) => callWithRetry(() => store.create(name, body)),
    swap: (name, body, etag) => callWithRetry(() => store.swap(name, body, etag)),
    remove: (name) => callWithRetry(() => store.remove(name)),
    list: (prefix) =>
      resumeList(
        callWithRetry,
        () => store.list(prefix),
        (object) => object.name,
      ),
    folders: (prefix) =>
      resumeList(
        callWithRetry,
        () => store.folders(prefix),
        (name) => name,
      ),
  };
}

async function* resumeList<T>(
  callWithRetry: <R>(call: () => Promise<R>) => Promise<R>,
  open: () => AsyncIterable<T>,
  nameOf: (item: T) => string,
): AsyncGenerator<T> {
  let last: string | null = null;
  let source: AsyncIterator<T> | null = null;
  const next = async (): Promise<IteratorResult<T>> => {
    source ??= open()[Symbol.asyncIterator]();
    try {
      let step = await source.next();
      // Listings ascend, and names are ASCII: an item that is not after the last one was yielded before the break.
      while (step.done !== true && last !== null && nameOf(step.value) <= last) step = await source.next();
      return step;
    } catch (error) {
      source = null;
      throw error;
    }
  };
  try {
    for (let step = await callWithRetry(next); step.done !== true; step = await callWithRetry(next)) {
      last = nameOf(step.value);
      yield step.value;
    }
  } finally {
    await endOf(source);
  }
}

async function endOf(source: AsyncIterator<unknown> | null): Promise<void> {
  await source?.return?.();
}
