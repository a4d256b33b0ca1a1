import type { ObjectStore, Ports } from '../../ports/index.js';
import { isKnownKind } from '../../run-kinds.js';
import { isOver } from '../../runs/ending.js';
import { leaseHolders, leaseObject, readLease } from '../../runs/lease-document.js';
import type { LeaseTimes } from '../../runs/lease.js';
import type { RunRecord } from '../../runs/model.js';
import { recentRuns, runsOf } from '../../runs/recent.js';
import { ageOf } from '../../runs/store-time.js';
import { isResumeTimeImplausible, resumeTime } from '../../runs/waiting.js';

const WEEK_MS = 7 * 24 * 3_600_000;
const MOST = 200;
/** A run that is to be woken may oversleep so long: the queue is not punctual. */
const OVERSLEEP_MS = 15 * 60_000;

interface Needs {
  readonly clock: Pick<Ports['clock'], 'now'>;
  readonly store: ObjectStore;
}

/** A run that nobody works on. */
export interface Stuck {
  readonly run: RunRecord;
}

/**
 * The runs that are not over and of which nothing is heard any more: their lease has run out, or is somebody else's. Looks
 * at the runs of the last week, and at older ones that hold a lease.
 */
export async function stuckRuns(ports: Needs, times: LeaseTimes): Promise<Stuck[]> {
  const recent = await recentRuns(ports.store, { since: ports.clock.now() - WEEK_MS, limit: MOST });
  const known = new Set(recent.map(({ id }) => id));
  const holders = (await leaseHolders(ports.store)).filter((id) => !known.has(id));
  return stuckAmong(ports, [...recent, ...(await runsOf(ports.store, holders))], times);
}

/** Those among some runs of which nothing is heard any more, but for those that this version does not know. Writes a probe into the store to learn its time. */
export async function stuckAmong(ports: Needs, runs: readonly RunRecord[], times: LeaseTimes): Promise<Stuck[]> {
  const stuck: Stuck[] = [];
  for (const run of runs.filter((each) => !isOver(each) && isKnownKind(each.kind))) {
    const found = run.state === 'waiting' ? overslept(run, ports.clock.now()) : await silent(ports, run, times);
    if (found !== null && (await isStillOpen(ports, run.id))) stuck.push(found);
  }
  return stuck;
}

function overslept(run: RunRecord, now: number): Stuck | null {
  return now > resumeTime(run) + OVERSLEEP_MS || isResumeTimeImplausible(run, now) ? { run } : null;
}

/**
 * The lease is renewed by attempts that work and by finished tasks, so that it tells more than the record does. Its age is
 * by the store's clock, so that a clock that is wrong, here or there, makes no run look dead or alive.
 */
async function silent({ store }: Needs, run: RunRecord, times: LeaseTimes): Promise<Stuck | null> {
  const { document, exists } = await readLease(store, run.lease);
  if (exists && document === null) return (await isOlder(store, run.lease, times.holdMs)) ? { run } : null;
  if (document?.holder !== run.id) return { run };
  return (await isOlder(store, run.lease, document.holdMs)) ? { run } : null;
}

async function isOlder(store: ObjectStore, lease: string, limitMs: number): Promise<boolean> {
  const age = await ageOf(store, leaseObject(lease));
  return age === null || age >= limitMs;
}

/** It may have ended, and given its lease back, between the two looks. */
async function isStillOpen({ store }: Needs, id: string): Promise<boolean> {
  const [run] = await runsOf(store, [id]);
  return run !== undefined && !isOver(run);
}
