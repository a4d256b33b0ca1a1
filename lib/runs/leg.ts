import type { Json } from '../json.js';
import type { Ports } from '../ports/index.js';
import { handOverLease, releaseLease, renewLease, type Lease, type LeaseTimes } from './lease.js';
import { taskResults } from './markers.js';
import type { Leg, Progress, RunRecord } from './model.js';
import { saveRun, type HeldRecord } from './records.js';

const REPORT_INTERVAL_MS = 2000;

type Needs = Pick<Ports, 'clock' | 'log' | 'store'>;

/** How long one invocation may work on a run, and who may stop it. */
export interface Budget {
  /** Milliseconds since the epoch by which the leg has saved and handed over. */
  readonly deadline: number;
  /** Whether nobody will call again when this fails: then a passing fault ends the run. A run over a queue is watched. */
  readonly lastAttempt: boolean;
  /** Aborted when the process is told to stop. */
  readonly interrupt: AbortSignal;
}

/** A leg at work: the lease is renewed in the background until it is closed. */
export interface OpenLeg extends Leg {
  /** Writes the record with these changes; the run's own fields are kept up. */
  update(changes: Partial<RunRecord>): Promise<void>;
  /** Stops renewing and gives the lease back: freed for good, or kept for the run's next leg. */
  close(how: 'release' | 'hand-over' | 'lost'): Promise<void>;
}

export function openLeg(ports: Needs, times: LeaseTimes, first: HeldRecord, lease: Lease, budget: Budget): OpenLeg {
  let held = first;
  let writing: Promise<void> = Promise.resolve();
  let open = true;
  let reportedAt = ports.clock.now();
  const stop = new AbortController();
  const lost = new AbortController();
  const beating = keepAlive(ports, times, lease, stop.signal, lost);
  let latest: Lease | null = null;

  const write = async (changes: Partial<RunRecord>): Promise<void> => {
    const updatedAt = new Date(ports.clock.now()).toISOString();
    const next = { ...held.record, ...changes, fence: lease.document.fence, updatedAt };
    held = await saveRun(ports.store, held, next);
  };
  // One write at a time: each swap needs the etag of the one before.
  const update = (changes: Partial<RunRecord>): Promise<void> => {
    const turn = writing.then(() => write(changes));
    writing = turn.catch(() => undefined);
    return turn;
  };

  return {
    get run() {
      return held.record;
    },
    fence: lease.document.fence,
    signal: AbortSignal.any([lost.signal, budget.interrupt]),
    timeIsUp: () => ports.clock.now() >= budget.deadline,
    save: (checkpoint: Json, progress: Progress) => update({ checkpoint, progress, stalls: 0 }),
    report(progress) {
      if (ports.clock.now() - reportedAt < REPORT_INTERVAL_MS) return;
      reportedAt = ports.clock.now();
      // A report that fails is no loss; if another leg has taken over, the next save says so.
      update({ progress: progress() }).catch(() => undefined);
    },
    results: (phase) => taskResults(ports.store, held.record.id, phase, held.record.finished[phase] ?? null),
    update,
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

/** Renews the lease three times per time to live until told to stop; returns its latest state. */
async function keepAlive(
  ports: Needs,
  times: LeaseTimes,
  lease: Lease,
  stop: AbortSignal,
  lost: AbortController,
): Promise<Lease> {
  let latest = lease;
  for (;;) {
    await ports.clock.sleep(times.legTtlMs / 3, stop);
    if (stop.aborted) return latest;
    try {
      latest = await renewLease(ports, latest, times);
    } catch (error) {
      // Without a lease nothing may be written, whatever the reason is that it could not be renewed.
      ports.log.warn('lease-lost', { lease: lease.name, error: error instanceof Error ? error.message : 'unknown' });
      lost.abort(error);
      return latest;
    }
  }
}
