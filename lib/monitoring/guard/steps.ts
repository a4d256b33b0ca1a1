import type { Clock } from '../../ports/clock.js';
import type { Budget } from '../../runs/attempt.js';
import { keyOf, type Finding } from '../alerts/condition.js';
import { examine, type CheckGroup, type CheckResult } from '../../health/doctor.js';
import { isUndecided, serviceRecord } from '../services.js';
import type { ServiceRecord } from '../state.js';
import type { Summary, GuardParts } from './parts.js';
import type { Ports } from '../../ports/index.js';
import { timeOfId } from '../../runs/ids.js';
import { snapshotIds } from '../../snapshot/catalog.js';
import { checkChain } from '../../snapshot/chain.js';
import { handOver } from '../../runs/engine.js';
import { drillHistory, lastVerdict, withRunOutcome, timeOf } from '../drill-view.js';
import { AHEAD_MS, DRILL_EVERY_MS, DRILL_RETRY_MS, RPO_HOURS, RPO_MS } from '../objectives.js';
import { trustContext } from '../../snapshot/trust.js';
import { recoveryPoint } from '../recovery-point.js';
import { runsOf } from '../../runs/recent.js';
import { shareOf } from './time.js';
import { AppError, type ErrorCode } from '../../errors.js';
import { upkeep, type Outcome, type UpkeepRequest } from '../../retention/upkeep.js';
import type { PrunePorts } from '../../retention/prune/prune.js';

/** This check has its own alert. */
const LEASES = 'store-leases';

export interface Checked extends Finding {
  readonly summary: Summary;
  readonly checks: readonly CheckResult[];
  /** The state of each configured service. */
  readonly services: readonly ServiceRecord[];
  /** The names of all groups that were checked. */
  readonly made: ReadonlySet<string>;
  readonly whole: boolean;
}

/** Runs the checks of services and credentials until the deadline; checks left out are not evaluated. */
export async function checksStep(clock: Clock, groups: readonly CheckGroup[], budget: Budget): Promise<Checked> {
  const checks: CheckResult[] = [];
  const services: ServiceRecord[] = [];
  const made = new Set<string>();
  let whole = true;
  for (const group of groups) {
    whole = clock.now() < budget.deadline;
    if (!whole) break;
    const results: CheckResult[] = [];
    for await (const result of examine(clock, [group])) results.push(result);
    const ofService = results.filter(({ name }) => name !== LEASES);
    const record = serviceRecord(ofService, 'guard', new Date(clock.now()).toISOString());
    if (record !== null) services.push(record);
    for (const { name } of group.slice(0, 1)) made.add(name);
    checks.push(...results);
  }
  const failed = checks.filter(({ name, status }) => status === 'fail' && name !== LEASES);
  const undecided = checks.filter(isUndecided);
  const conditions = failed.map(({ name, detail, hint }) => ({
    code: 'credential-failed' as const,
    subject: name,
    message: `The check of ${name} failed: ${detail}`,
    hint: hint ?? 'See `npx soulcaster-backup doctor --env-file .env`.',
  }));
  const summary = { checks: checks.length, failed: failed.length, whole };
  return {
    ...{ checks, made, services, summary, whole, conditions },
    evaluated: new Set(whole ? ['credential-failed'] : []),
    undecided: new Set(undecided.map(({ name }) => keyOf({ code: 'credential-failed', subject: name }))),
  };
}

/** Number of findings that an alert names. */
const MAX_NAMED = 5;

/** Checks the chain of all snapshots. */
export async function chainStep(
  ports: Pick<Ports, 'signer' | 'store'>,
): Promise<Finding & { readonly summary: Summary }> {
  const findings = await checkChain(ports);
  const newest = (await snapshotIds(ports.store)).at(-1) ?? '';
  const isWholeSince = !findings.some(({ detail, subject }) => detail.includes(newest) || subject.includes(newest));
  const named = findings.slice(0, MAX_NAMED).map(({ code, subject }) => `${code} ${subject}`);
  const more = findings.length > MAX_NAMED ? ` and ${findings.length - MAX_NAMED} more` : '';
  const condition = {
    code: 'chain-broken',
    subject: 'chain',
    message: `Snapshots were altered or removed: ${named.join('; ')}${more}`,
    hint: 'Find out who writes to the bucket. Restore older versions of the objects named, or take a snapshot now and rely on that: the alert then ends once it was sent. Without an alert channel, end it: `npx soulcaster-backup alerts ack chain-broken --reason TEXT --env-file .env`.',
    // A sent alert ends with an unaltered snapshot taken after it.
    ...(newest !== '' && isWholeSince ? { endsWith: timeOfId(newest) } : {}),
  } as const;
  return {
    summary: { findings: findings.length },
    conditions: findings.length === 0 ? [] : [condition],
    evaluated: new Set(['chain-broken']),
  };
}

const DRILLS = 10;

/** Starts a drill if one is due and there are a scratch database and a snapshot. */
export async function drillStep(parts: GuardParts, budget: Budget): Promise<Summary> {
  const { engine, ports, queued, startDrill, work } = parts;
  if (parts.drilledBy === null) return { state: 'not-configured' };
  // The functions cannot decrypt snapshots: the drill would fail.
  if (parts.drilledBy === 'operator') return { state: 'left-to-operator' };
  if (!(await isDue(parts))) return { state: 'not-due' };
  if ((await recoveryPoint(await trustContext(ports, ports.own))).newest === null) return { state: 'no-snapshot' };
  const started = await startDrill();
  if (!started.started) return { state: 'under-way', run: started.holder };
  const { id } = started.run;
  if (queued) {
    await handOver(engine, id);
    return { state: 'started', run: id };
  }
  const run = await work(id, shareOf(budget, ports.clock, 3 / 4));
  return { state: run.state, run: id };
}

/** A drill is due every week, and a day after a drill without a verdict. */
async function isDue({ drills, ports }: GuardParts): Promise<boolean> {
  const now = ports.clock.now();
  const read = await drillHistory(drills, DRILLS);
  const runs = await runsOf(
    ports.store,
    read.drills.filter(({ outcome }) => outcome === 'started').map(({ id }) => id),
  );
  const history = { ...read, drills: read.drills.map((drill) => withRunOutcome(drill, runs, now)) };
  const verdict = lastVerdict(history, now);
  if (verdict !== null && now - timeOf(verdict) < DRILL_EVERY_MS) return false;
  const last = history.drills.find((drill) => timeOf(drill) <= now + AHEAD_MS);
  return last === undefined || last === verdict || now - timeOf(last) >= DRILL_RETRY_MS;
}

export type UpkeepSettings = Pick<UpkeepRequest, 'replica' | 'settings'>;

/** Another process is doing the same. */
const CONCURRENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['locked', 'busy', 'fenced']);

/**
 * Prunes and replicates until the deadline. Throws the first failure after trying everything; another process doing the same
 * is no failure. A second store that is a day behind is a failure: there, too, at most a day may be lost.
 */
export async function upkeepStep(
  ports: PrunePorts,
  settings: UpkeepSettings,
  { deadline, interrupt }: Budget,
): Promise<Summary> {
  const { prune, replica, replicaPrune } = await upkeep(ports, { ...settings, deadline, interrupt });
  const outcomes: readonly Outcome<unknown>[] = [prune, replica, replicaPrune];
  for (const outcome of outcomes) {
    if (outcome.state !== 'skipped' && outcome.error !== null && !CONCURRENT.has(outcome.error.code))
      throw outcome.error;
  }
  if (replica.state === 'done' && replica.result.behindMs > RPO_MS) {
    const { left } = replica.result;
    throw new AppError(
      'incomplete',
      `The second store has nothing of the last ${RPO_HOURS} hours: ${left} ${left === 1 ? 'snapshot waits' : 'snapshots wait'} to be copied`,
      {
        hint: 'The guard has too little time to copy them. Run it on a terminal: `npx soulcaster-backup replicate --env-file .env`.',
      },
    );
  }
  return {
    prune: prune.state === 'done' && prune.result.held !== null ? `held: ${prune.result.held}` : prune.state,
    removed: prune.state === 'done' ? prune.result.snapshots.removed : 0,
    replica: replica.state === 'skipped' ? replica.reason : replica.state,
    copied: replica.state === 'done' ? replica.result.copied : 0,
    left: replica.state === 'done' ? replica.result.left : null,
  };
}
