import type { ObjectStore, Ports } from '../../ports/index.js';
import { isKnownKind } from '../../run-kinds.js';
import { isOver, type RunRecord } from '../../runs/model.js';
import { leaseHolders, leaseObject, readLease, ageOf } from '../../runs/lease-document.js';
import type { LeaseTimes } from '../../runs/lease.js';
import { recentRuns, runsOf } from '../../runs/recent.js';
import { isResumeTimeImplausible, resumeTime } from '../../runs/waiting.js';

const WEEK_MS = 7 * 24 * 3_600_000;
const MAX_RUNS = 200;
/** Tolerated delay of a waiting run: the queue is not punctual. */
const RESUME_DELAY_MS = 15 * 60_000;

interface Needs {
  readonly clock: Pick<Ports['clock'], 'now'>;
  readonly store: ObjectStore;
}

/**
 * Unfinished runs without a sign of life: their lease expired or belongs to another run. Checks the runs of the last week, and
 * older runs that hold a lease.
 */
export async function stuckRuns(ports: Needs, times: LeaseTimes): Promise<RunRecord[]> {
  const recent = await recentRuns(ports.store, { since: ports.clock.now() - WEEK_MS, limit: MAX_RUNS });
  const known = new Set(recent.map(({ id }) => id));
  const holders = (await leaseHolders(ports.store)).filter((id) => !known.has(id));
  return stuckAmong(ports, [...recent, ...(await runsOf(ports.store, holders))], times);
}

/** The stuck runs among those given; kinds that this version does not know are ignored. Writes a probe to learn the store's time. */
export async function stuckAmong(ports: Needs, runs: readonly RunRecord[], times: LeaseTimes): Promise<RunRecord[]> {
  const stuck: RunRecord[] = [];
  for (const run of runs.filter((each) => !isOver(each) && isKnownKind(each.kind))) {
    const isStuck = run.state === 'waiting' ? isOverdue(run, ports.clock.now()) : await isSilent(ports, run, times);
    if (isStuck && (await isStillOpen(ports, run.id))) stuck.push(run);
  }
  return stuck;
}

function isOverdue(run: RunRecord, now: number): boolean {
  return now > resumeTime(run) + RESUME_DELAY_MS || isResumeTimeImplausible(run, now);
}

/**
 * Working attempts and finished tasks renew the lease, so it is more current than the record. Its age is measured by the
 * store's clock, so that a wrong clock on either side does not matter.
 */
async function isSilent({ store }: Needs, run: RunRecord, times: LeaseTimes): Promise<boolean> {
  const { document, exists } = await readLease(store, run.lease);
  if (exists && document === null) return isOlder(store, run.lease, times.holdMs);
  if (document?.holder !== run.id) return true;
  return isOlder(store, run.lease, document.holdMs);
}

async function isOlder(store: ObjectStore, lease: string, limitMs: number): Promise<boolean> {
  const age = await ageOf(store, leaseObject(lease));
  return age === null || age >= limitMs;
}

/** The run may have ended and released its lease between the two reads. */
async function isStillOpen({ store }: Needs, id: string): Promise<boolean> {
  const [run] = await runsOf(store, [id]);
  return run !== undefined && !isOver(run);
}
