import type { Clock } from '../ports/clock.js';
import type { ObjectStore } from '../ports/store.js';
import { DEFAULT_RETRY, type RetryPolicy, withRetry } from '../services/retry.js';

/**
 * The same store, with every call made again while it fails in a way that may pass. A listing that breaks off is
 * begun again and continues after the last item that was handed out, so none is repeated or lost; each item handed out
 * starts the count of tries afresh.
 */
export function retryingStore(store: ObjectStore, clock: Clock, policy: RetryPolicy = DEFAULT_RETRY): ObjectStore {
  const again = <T>(call: () => Promise<T>): Promise<T> => withRetry(clock, call, policy);
  return {
    read: (name) => again(() => store.read(name)),
    create: (name, body) => again(() => store.create(name, body)),
    swap: (name, body, etag) => again(() => store.swap(name, body, etag)),
    remove: (name) => again(() => store.remove(name)),
    list: (prefix) =>
      resuming(
        again,
        () => store.list(prefix),
        (object) => object.name,
      ),
    folders: (prefix) =>
      resuming(
        again,
        () => store.folders(prefix),
        (name) => name,
      ),
  };
}

async function* resuming<T>(
  again: <R>(call: () => Promise<R>) => Promise<R>,
  open: () => AsyncIterable<T>,
  nameOf: (item: T) => string,
): AsyncGenerator<T> {
  let last: string | null = null;
  let source: AsyncIterator<T> | null = null;
  const next = async (): Promise<IteratorResult<T>> => {
    source ??= open()[Symbol.asyncIterator]();
    try {
      let step = await source.next();
      // Listings ascend, and names are ASCII: what is not after the last one was handed out before the break.
      while (step.done !== true && last !== null && nameOf(step.value) <= last) step = await source.next();
      return step;
    } catch (error) {
      source = null;
      throw error;
    }
  };
  try {
    for (let step = await again(next); step.done !== true; step = await again(next)) {
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
