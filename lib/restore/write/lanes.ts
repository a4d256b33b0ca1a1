/** A bounded number of jobs at a time. */
interface Lanes {
  /** Waits for a free lane and starts the job in it. Throws the first failure of any job instead. */
  start(job: () => Promise<void>): Promise<void>;
  /** The same, and waits for the job's end. */
  complete(job: () => Promise<void>): Promise<void>;
  /** Waits for all jobs to end, well or not; then throws the first failure. */
  finish(): Promise<void>;
}

/** `failed` is aborted with the first failure as its reason. */
export function openLanes(count: number, failed: AbortController): Lanes {
  const running = new Set<Promise<void>>();

  const free = async (): Promise<void> => {
    while (running.size >= Math.max(1, count)) await Promise.race(running);
    failed.signal.throwIfAborted();
  };
  const launch = (job: () => Promise<void>): Promise<void> => {
    const run: Promise<void> = job()
      .catch((error: unknown) => failed.abort(error))
      .finally(() => running.delete(run));
    running.add(run);
    return run;
  };

  return {
    async start(job) {
      await free();
      void launch(job);
    },
    async complete(job) {
      await free();
      await launch(job);
      failed.signal.throwIfAborted();
    },
    async finish() {
      await Promise.all(running);
      failed.signal.throwIfAborted();
    },
  };
}
