import type { Json } from '../json.js';
import type { Ports } from '../ports/index.js';
import { AppError } from '../errors.js';
import {
  handOverLease,
  holdsLease,
  isOfAttempt,
  releaseLease,
  renewLease,
  type Lease,
  type LeaseTimes,
} from './lease.js';
import { elapsed, lifeline } from './lifeline.js';
import { taskResults } from './markers.js';
import type { Attempt, Progress, RunRecord } from './model.js';
import { saveRun, type HeldRecord } from './records.js';

const REPORT_INTERVAL_MS = 2000;

type Needs = Pick<Ports, 'clock' | 'log' | 'store'>;

/** How long one invocation may work on a run, and who may stop it. */
export interface Budget {
  /** Milliseconds since the epoch by which the attempt has saved and handed over. */
  readonly deadline: number;
  /** Whether nobody will call again when this fails: then a passing fault ends the run. A run over a queue is watched. */
  readonly lastAttempt: boolean;
  /** Aborted when the process is told to stop. */
  readonly interrupt: AbortSignal;
}

/** An attempt in progress: the lease is renewed in the background until it is closed. */
export interface OpenAttempt extends Attempt {
  /** Writes the record with these changes; the run's own fields are kept up. */
  update(changes: Partial<RunRecord>): Promise<void>;
  /** Stops renewing and gives the lease back: freed for good, or kept for the run's next attempt. */
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
  const life = lifeline(ports.clock, times.attemptTtlMs, [lost.signal, budget.interrupt], () => suspended(lease.name));
  const confirmations = confirming(ports, lease, lost);
  const confirmed = (since: number): void => {
    life.confirmed(since);
    confirmations.at(since);
  };
  const beating = keepAlive(ports, times, lease, stop.signal, lost, confirmed);
  let latest: Lease | null = null;

  const write = async (changes: Partial<RunRecord>): Promise<void> => {
    const updatedAt = new Date(ports.clock.now()).toISOString();
    const progressedAt = movesOn(held.record, changes) ? updatedAt : held.record.progressedAt;
    const next = { ...held.record, ...changes, fence: lease.document.fence, progressedAt, updatedAt };
    const since = elapsed(ports.clock);
    held = await saveRun(ports.store, held, next);
    confirmations.at(since);
  };
  // One write at a time: each swap needs the etag of the one before. A task that its attempt has left behind writes nothing
  // any more: the next attempt would take that for another one beside it.
  const update = (changes: Partial<RunRecord>): Promise<void> => {
    const turn = stop.signal.aborted ? Promise.reject(takenOver(lease.name)) : writing.then(() => write(changes));
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
      // A report that fails is no loss; if another attempt has taken over, the next save says so.
      update({ progress: progress() }).catch(() => undefined);
    },
    results: (phase) => taskResults(ports.store, held.record.id, phase, held.record.finished[phase] ?? null),
    update,
    confirm: confirmations.ask,
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

/** Whether a run with these changes has got further. */
function movesOn(run: RunRecord, { phase = run.phase, progress = run.progress }: Partial<RunRecord>): boolean {
  return phase !== run.phase || goesBeyond(progress, run.progress);
}

export function goesBeyond(now: Progress, before: Progress): boolean {
  return now.done > before.done || now.bytes > before.bytes;
}

/** No task is begun later than this after the run was last known to be ours. */
export const CONFIRM_MS = 1_000;

/** Asks the store whether the attempt still has its lease, once for all who ask at the same time. */
function confirming(
  ports: Needs,
  lease: Lease,
  lost: AbortController,
): { readonly ask: () => Promise<void>; readonly at: (since: number) => void } {
  let last = elapsed(ports.clock);
  let asking: Promise<void> | null = null;
  const at = (since: number): void => void (last = Math.max(last, since));
  const read = async (): Promise<void> => {
    const since = elapsed(ports.clock);
    if (!(await isOfAttempt(ports, lease))) {
      const error = takenOver(lease.name);
      lost.abort(error);
      throw error;
    }
    at(since);
  };
  return {
    at,
    async ask() {
      if (elapsed(ports.clock) - last < CONFIRM_MS) return;
      asking ??= read().finally(() => (asking = null));
      await asking;
    },
  };
}

/** A run that is cancelled, or whose lease is ended, is to stop within so long. */
export const CHECK_MS = 4_000;

/** Renews the lease three times per time to live until told to stop, looks at it in between, and returns its latest state. */
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
  let renewedAt = elapsed(ports.clock);
  for (;;) {
    await ports.clock.sleep(pause, stop);
    if (stop.aborted) return latest;
    try {
      const now = elapsed(ports.clock);
      if (now - renewedAt >= every) {
        latest = await renewLease(ports, latest, times);
        renewedAt = now;
        confirmed(now);
      } else if (!(await holdsLease(ports, latest))) throw takenOver(lease.name);
    } catch (error) {
      // Without a lease nothing may be written, whatever the reason is that it could not be renewed.
      ports.log.warn('lease-lost', { lease: lease.name, error: error instanceof Error ? error.message : 'unknown' });
      lost.abort(error);
      return latest;
    }
  }
}

function takenOver(name: string): AppError {
  return new AppError('fenced', `The lease ${name} has been taken over, or the run was ended`, {
    hint: 'Nothing to do: this attempt stops.',
  });
}

function suspended(name: string): AppError {
  return new AppError('fenced', `This attempt stood still for longer than its lease ${name} lasts`, {
    hint: 'Nothing to do: if no other attempt took over, the next one continues the work.',
  });
}
