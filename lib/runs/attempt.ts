import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Clock } from '../ports/clock.js';
import type { Ports } from '../ports/index.js';
import {
  handOverLease,
  isHeldByAttempt,
  isLeaseUnchanged,
  type Lease,
  type LeaseTimes,
  releaseLease,
  renewLease,
} from './lease.js';
import { taskResults } from './markers.js';
import type { Attempt, Progress, RunRecord } from './model.js';
import { type HeldRecord, saveRun } from './records.js';

const REPORT_INTERVAL_MS = 2000;

type Needs = Pick<Ports, 'clock' | 'log' | 'store'>;

/** How long one invocation may work on a run, and what may stop it. */
export interface Budget {
  /** By when the attempt must have saved and handed over, in milliseconds since the epoch. */
  readonly deadline: number;
  /** Whether no other attempt follows, so that a transient error ends the run. The queue starts another attempt of its runs. */
  readonly lastAttempt: boolean;
  /** Aborted when the process must stop. */
  readonly interrupt: AbortSignal;
}

/** An attempt in progress: the lease is renewed in the background until it is closed. */
export interface OpenAttempt extends Attempt {
  /** Writes the record with these changes, and updates `fence`, `progressedAt` and `updatedAt`. */
  update(changes: Partial<RunRecord>): Promise<void>;
  /** Stops renewing the lease, then frees it (`release`) or keeps it for the run's next attempt (`hand-over`). */
  close(how: 'release' | 'hand-over' | 'lost'): Promise<void>;
}

export function openAttempt(
  ports: Needs,
  times: LeaseTimes,
  first: HeldRecord,
  lease: Lease,
  budget: Budget,
): OpenAttempt {
  let held = first;
  let writing: Promise<void> = Promise.resolve();
  let open = true;
  let reportedAt = ports.clock.now();
  const stop = new AbortController();
  const lost = new AbortController();
  const life = createLeaseWatchdog(ports.clock, times.attemptTtlMs, [lost.signal, budget.interrupt], () =>
    suspendedError(lease.name),
  );
  const confirmations = createConfirmer(ports, lease, lost);
  const confirmed = (since: number): void => {
    life.confirmed(since);
    confirmations.confirmedAt(since);
  };
  const beating = keepAlive(ports, times, lease, stop.signal, lost, confirmed);
  let latest: Lease | null = null;

  const write = async (changes: Partial<RunRecord>): Promise<void> => {
    const updatedAt = new Date(ports.clock.now()).toISOString();
    const progressedAt = isAdvance(held.record, changes) ? updatedAt : held.record.progressedAt;
    const next = { ...held.record, ...changes, fence: lease.document.fence, progressedAt, updatedAt };
    const since = monotonicNow(ports.clock);
    held = await saveRun(ports.store, held, next);
    confirmations.confirmedAt(since);
  };
  // One write at a time: each swap needs the etag of the one before. A task that outlives its closed attempt must not write:
  // the next attempt would take the write for a concurrent attempt.
  const update = (changes: Partial<RunRecord>): Promise<void> => {
    const turn = stop.signal.aborted ? Promise.reject(leaseLostError(lease.name)) : writing.then(() => write(changes));
    writing = turn.catch(() => undefined);
    return turn;
  };

  return {
    get run() {
      return held.record;
    },
    fence: lease.document.fence,
    signal: life.signal,
    timeIsUp: () => ports.clock.now() >= budget.deadline,
    save: (checkpoint: Json, progress: Progress) => update({ checkpoint, progress, stalls: 0 }),
    report(progress) {
      if (ports.clock.now() - reportedAt < REPORT_INTERVAL_MS) return;
      reportedAt = ports.clock.now();
      // A failed report is ignored; if another attempt has taken over, the next save throws.
      update({ progress: progress() }).catch(() => undefined);
    },
    results: (phase) => taskResults(ports.store, held.record.id, phase, held.record.finished[phase] ?? null),
    update,
    confirm: confirmations.confirm,
    async close(how) {
      stop.abort();
      await writing;
      latest ??= await beating;
      if (how === 'hand-over' && open) latest = await handOverLease(ports, latest, times);
      if (how === 'release') await releaseLease(ports, latest);
      open = false;
    },
  };
}

/** Whether these changes are progress. */
function isAdvance(run: RunRecord, { phase = run.phase, progress = run.progress }: Partial<RunRecord>): boolean {
  return phase !== run.phase || hasAdvanced(progress, run.progress);
}

export function hasAdvanced(now: Progress, before: Progress): boolean {
  return now.done > before.done || now.bytes > before.bytes;
}

/** A task may begin at most this long after the lease was last confirmed. */
export const CONFIRM_MS = 1_000;

/** Reads from the store whether the attempt still has its lease; concurrent callers share one read. */
function createConfirmer(
  ports: Needs,
  lease: Lease,
  lost: AbortController,
): { readonly confirm: () => Promise<void>; readonly confirmedAt: (since: number) => void } {
  let last = monotonicNow(ports.clock);
  let reading: Promise<void> | null = null;
  const confirmedAt = (since: number): void => void (last = Math.max(last, since));
  const read = async (): Promise<void> => {
    const since = monotonicNow(ports.clock);
    if (!(await isHeldByAttempt(ports, lease))) {
      const error = leaseLostError(lease.name);
      lost.abort(error);
      throw error;
    }
    confirmedAt(since);
  };
  return {
    confirmedAt,
    async confirm() {
      if (monotonicNow(ports.clock) - last < CONFIRM_MS) return;
      reading ??= read().finally(() => (reading = null));
      await reading;
    },
  };
}

/** A run that is cancelled, or whose lease is ended, stops within this time. */
export const CHECK_MS = 4_000;

/** Renews the lease three times per time to live until `stop`, checks it in between, and returns its latest state. */
async function keepAlive(
  ports: Needs,
  times: LeaseTimes,
  lease: Lease,
  stop: AbortSignal,
  lost: AbortController,
  confirmed: (since: number) => void,
): Promise<Lease> {
  const every = times.attemptTtlMs / 3;
  const pause = Math.min(every, CHECK_MS);
  let latest = lease;
  let renewedAt = monotonicNow(ports.clock);
  for (;;) {
    await ports.clock.sleep(pause, stop);
    if (stop.aborted) return latest;
    try {
      const now = monotonicNow(ports.clock);
      if (now - renewedAt >= every) {
        latest = await renewLease(ports, latest, times);
        renewedAt = now;
        confirmed(now);
      } else if (!(await isLeaseUnchanged(ports, latest))) throw leaseLostError(lease.name);
    } catch (error) {
      // Without a lease nothing may be written, whatever the reason that the renewal failed.
      ports.log.warn('lease-lost', { lease: lease.name, error: error instanceof Error ? error.message : 'unknown' });
      lost.abort(error);
      return latest;
    }
  }
}

function leaseLostError(name: string): AppError {
  return new AppError('fenced', `The lease ${name} has been taken over, or the run was ended`, {
    hint: 'Nothing to do: this attempt stops.',
  });
}

function suspendedError(name: string): AppError {
  return new AppError('fenced', `This attempt was suspended for longer than its lease ${name} lasts`, {
    hint: 'Nothing to do: if no other attempt took over, the next one continues the work.',
  });
}

/** Milliseconds from an arbitrary start; unaffected by changes of the system clock, and includes sleep of the machine. */
export function monotonicNow(clock: Clock): number {
  return clock.uptime?.() ?? clock.now();
}

interface LeaseWatchdog {
  /**
   * Aborted when a source is. Also checks the time since the last confirmation whenever it is read: a process that was
   * suspended must not write when it wakes, even before its timers run.
   */
  readonly signal: AbortSignal;
  /** Records that the lease was still held at the `monotonicNow` time `since`. */
  confirmed(since: number): void;
}

/** `limitMs`: how long after the last confirmation another holder may have the lease. `reason`: the reason of the abort. */
export function createLeaseWatchdog(
  clock: Clock,
  limitMs: number,
  sources: readonly AbortSignal[],
  reason: () => Error,
): LeaseWatchdog {
  const own = new AbortController();
  const signal = AbortSignal.any([...sources, own.signal]);
  let last = monotonicNow(clock);
  const check = (): void => {
    if (!own.signal.aborted && monotonicNow(clock) - last >= limitMs) own.abort(reason());
  };
  Object.defineProperties(signal, {
    aborted: {
      get: () => {
        check();
        return Reflect.get(AbortSignal.prototype, 'aborted', signal);
      },
    },
    throwIfAborted: {
      value: () => {
        check();
        AbortSignal.prototype.throwIfAborted.call(signal);
      },
    },
  });
  return { signal, confirmed: (since) => void (last = Math.max(last, since)) };
}
