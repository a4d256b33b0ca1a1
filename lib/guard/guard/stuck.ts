import type { Ports } from '../../ports/index.js';
import { isOver } from '../../runs/ending.js';
import { leaseHolders, readLease, type LeaseTimes } from '../../runs/lease.js';
import type { RunRecord } from '../../runs/model.js';
import { recentRuns, runsOf } from '../../runs/recent.js';
import { AHEAD_MS } from '../objectives.js';

const WEEK_MS = 7 * 24 * 3_600_000;
const MOST = 200;
/** A run that is to be woken may oversleep so long: the queue is not punctual. */
const OVERSLEEP_MS = 15 * 60_000;

type Needs = Pick<Ports, 'clock' | 'store'>;

/** A run that nobody works on. `lost`: its lease was written by a clock far ahead of ours, and cannot be taken for long. */
export interface Stuck {
  readonly run: RunRecord;
  readonly lost: boolean;
}

/**
 * The runs that are not over and of which nothing is heard any more: their lease has run out, or is somebody else's. Looks
 * at the runs of the last week, and at older ones that hold a lease.
 */
export async function stuckRuns(ports: Needs, times: LeaseTimes): Promise<Stuck[]> {
  const recent = await recentRuns(ports.store, { since: ports.clock.now() - WEEK_MS, limit: MOST });
  const known = new Set(recent.map(({ id }) => id));
  const holders = (await leaseHolders(ports.store)).filter((id) => !known.has(id));
  const open = [...recent, ...(await runsOf(ports.store, holders))].filter((run) => !isOver(run));
  const stuck: Stuck[] = [];
  for (const run of open) {
    const found = run.state === 'waiting' ? overslept(run, ports.clock.now()) : await silent(ports, run, times);
    if (found !== null && (await isStillOpen(ports, run.id))) stuck.push(found);
  }
  return stuck;
}

function overslept(run: RunRecord, now: number): Stuck | null {
  const due = Date.parse(run.resumeAt ?? '');
  return Number.isNaN(due) || now > due + OVERSLEEP_MS ? { run, lost: false } : null;
}

/** The lease is renewed by legs at work and by finished tasks, so that it tells more than the record does. */
async function silent({ clock, store }: Needs, run: RunRecord, times: LeaseTimes): Promise<Stuck | null> {
  const lease = await readLease(store, run.lease);
  const now = clock.now();
  if (lease?.holder !== run.id || lease.expiresAt <= now) return { run, lost: false };
  return lease.expiresAt > now + times.holdMs + AHEAD_MS ? { run, lost: true } : null;
}

/** It may have ended, and given its lease back, between the two looks. */
async function isStillOpen({ store }: Needs, id: string): Promise<boolean> {
  const [run] = await runsOf(store, [id]);
  return run !== undefined && !isOver(run);
}
