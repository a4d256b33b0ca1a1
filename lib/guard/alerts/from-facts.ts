import { isOver } from '../../runs/ending.js';
import type { RunRecord } from '../../runs/model.js';
import type { Facts } from '../facts.js';
import { AT_RISK_MS, GUARD_SILENT_MS } from '../objectives.js';
import { isFromFuture, isReliable, recoveryPointOf } from '../recovery-point.js';
import type { AlertCode, Condition, Finding } from './condition.js';
import { drillConditions } from './from-drills.js';

const DAY_MS = 24 * 3_600_000;
const WEEK_MS = 7 * DAY_MS;

const JUDGED: ReadonlySet<AlertCode> = new Set<AlertCode>([
  'rpo-breached',
  'rpo-at-risk',
  'backup-failed',
  'restore-failed',
  'snapshot-damaged',
  'snapshot-suspicious',
  'clock-suspicious',
  'drill-failed',
  'drill-overdue',
  'rto-breached',
  'guard-silent',
  'store-unavailable',
]);

export interface JudgeOptions {
  readonly hasScratch: boolean;
  /** When the guard ran last (ISO 8601); null when it never did. */
  readonly guardRanAt: string | null;
}

/** Everything that can be told from what stands in the store. */
export function judgeFacts(facts: Facts, options: JudgeOptions): Finding {
  const conditions = [
    ...pointConditions(facts),
    ...runConditions(facts),
    ...snapshotConditions(facts),
    ...drillConditions(facts, options.hasScratch),
    ...silence(facts, options.guardRanAt),
  ];
  return { conditions, judged: JUDGED };
}

function pointConditions(facts: Facts): Condition[] {
  const { ageHours, ageMs, met, newest } = recoveryPointOf(facts);
  const hint =
    'See the last runs in the status. Take one now: `soulcaster-backup backup`, with --local if the queue is down.';
  const is = (code: AlertCode, message: string): Condition[] => [{ code, subject: 'database', message, hint }];
  if (ageMs === null || ageHours === null) return is('rpo-breached', 'There is no verified snapshot of the database.');
  const words = `The newest verified snapshot, ${newest?.id ?? ''}, is ${ageHours} hours old`;
  if (!met) return is('rpo-breached', `${words}; the objective is 24.`);
  return ageMs > AT_RISK_MS ? is('rpo-at-risk', `${words}: a run is missing. The objective is 24.`) : [];
}

/** The last run of a kind that came to an end. What was stopped on a terminal is known to whoever stopped it. */
function lastEnded(runs: readonly RunRecord[], kind: RunRecord['kind']): RunRecord | undefined {
  return runs.find((run) => run.kind === kind && isOver(run) && !wasStopped(run) && !isDryRun(run));
}

function wasStopped({ error, input }: RunRecord): boolean {
  return error?.code === 'cancelled' || (error?.code === 'interrupted' && fieldOf(input, 'trigger') === 'cli');
}

function isDryRun({ input }: RunRecord): boolean {
  return fieldOf(input, 'dryRun') === true;
}

function fieldOf(input: RunRecord['input'], name: string): unknown {
  return typeof input === 'object' && input !== null && name in input ? (input as Record<string, unknown>)[name] : null;
}

function runConditions({ runs }: Facts): Condition[] {
  const conditions: Condition[] = [];
  const backup = lastEnded(runs, 'snapshot');
  if (backup !== undefined && backup.state !== 'succeeded') conditions.push(ofRun('backup-failed', 'snapshot', backup));
  const restore = lastEnded(runs, 'restore');
  if (restore?.state === 'failed') conditions.push(ofRun('restore-failed', 'restore', restore));
  return conditions;
}

function ofRun(code: AlertCode, subject: string, { id, state, error }: RunRecord): Condition {
  const why = error === null ? '' : `: ${error.message}`;
  return {
    code,
    subject,
    message: `Run ${id}, a ${subject}, ended as ${state}${why}`,
    hint: error?.hint ?? 'See the run.',
  };
}

function snapshotConditions({ entries, now }: Facts): Condition[] {
  const damaged = entries.filter(({ verification }) => verification?.state === 'damaged');
  const ahead = entries.filter((entry) => isFromFuture(entry, now));
  return [
    ...damaged.map(({ id }) => ({
      code: 'snapshot-damaged' as const,
      subject: id,
      message: `Snapshot ${id} was found damaged when it was last verified.`,
      hint: 'Do not rely on it. Take one now, and find out who writes to the bucket; bring back older versions of its objects.',
    })),
    ...shrunk(
      entries.filter((entry) => isReliable(entry, now)),
      now,
    ),
    ...ahead.slice(0, 1).map(({ id }) => ({
      code: 'clock-suspicious' as const,
      subject: 'clock',
      message: `Snapshot ${id}${ahead.length > 1 ? ` and ${ahead.length - 1} more` : ''} is dated in the future by the clock here.`,
      hint: 'It does not count for the objective. Check the clocks with `soulcaster-backup doctor`; forged dates look the same.',
    })),
  ];
}

/** A database that lost most of its keys is backed up as well as any other. */
function shrunk(reliable: Facts['entries'], now: number): Condition[] {
  const [newest, ...earlier] = reliable;
  const keys = newest?.manifest?.counts.keys ?? 0;
  const recent = earlier.filter(({ manifest }) => now - Date.parse(manifest?.window.from ?? '') <= WEEK_MS);
  const most = Math.max(0, ...recent.map(({ manifest }) => manifest?.counts.keys ?? 0));
  if (newest === undefined || keys >= most / 2) return [];
  return [
    {
      code: 'snapshot-suspicious',
      subject: 'database',
      message: `Snapshot ${newest.id} has ${keys} keys; there were ${most} within the week before.`,
      hint: 'If data was lost, stop what deletes it and restore. `soulcaster-backup list` shows the counts.',
    },
  ];
}

function silence({ entries, now }: Facts, guardRanAt: string | null): Condition[] {
  const first = entries.at(-1)?.manifest?.createdAt;
  const since = Date.parse(guardRanAt ?? first ?? '');
  if (Number.isNaN(since) || now - since < GUARD_SILENT_MS) return [];
  const message = guardRanAt === null ? 'The guard has never run.' : `The guard ran last at ${guardRanAt}.`;
  const hint =
    'See that the cron of /api/cron/guard is on in the Vercel project, and its log; `soulcaster-backup guard` runs it by hand.';
  return [{ code: 'guard-silent', subject: 'guard', message, hint }];
}
