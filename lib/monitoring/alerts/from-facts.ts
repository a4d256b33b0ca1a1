import { isOver } from '../../runs/ending.js';
import type { RunRecord } from '../../runs/model.js';
import { newestBackup, type Facts } from '../facts.js';
import { AT_RISK_MS, CRON_SILENT_MS, DRILL_OVERDUE_MS } from '../objectives.js';
import type { PassedOver } from '../../snapshot/latest.js';
import { refusedTypes } from '../../snapshot/ledger.js';
import { isFromFuture } from '../../snapshot/order.js';
import { passedOverWords } from '../../snapshot/select.js';
import { isFoundDamaged } from '../../snapshot/trust.js';
import { recoveryPointOf } from '../recovery-point.js';
import { heardOf, silentConditions, type Scheduler } from '../schedulers.js';
import type { GuardState } from '../state.js';
import { codesBy, keyOf, type AlertCode, type Condition, type Finding } from './condition.js';
import { controlConditions } from './from-control.js';
import { doubtConditions } from './from-doubts.js';
import { indexConditions, type ConfiguredIndex } from './from-index.js';
import { DRILL_COMMAND, DRILLED_ELSEWHERE, LOCAL_DRILL_COMMAND, lastVerdict, timeOf } from '../drill-view.js';
import { recoveryTimeOf } from '../recovery-time.js';

const EVALUATED = codesBy('facts');
const EVALUATED_BY_GUARD = codesBy('facts', 'all-facts');

export interface EvaluateOptions {
  /**
   * Who starts drills: the guard; `operator`, whoever has the age identity, where snapshots are encrypted and the functions
   * cannot open them; null where there is no scratch database.
   */
  readonly drilledBy: 'guard' | 'operator' | null;
  /** What calls the guard unattended, as far as it is configured here. */
  readonly schedulers: readonly Scheduler[];
  /** When the guard ran last, and who called it. */
  readonly guard: Pick<GuardState, 'callers' | 'lastRunAt'>;
  /** Types that the operator does without: BACKUP_SKIP_TYPES. */
  readonly skipTypes: readonly string[];
  /** Whether this is the guard's turn, which has read all control objects. Default false. */
  readonly isGuard?: boolean;
  /** Null, or left out, where no index or no embedder is configured. */
  readonly index?: ConfiguredIndex | null;
}

/** Everything that can be told from what stands in the store. */
export function evaluateFacts(facts: Facts, options: EvaluateOptions): Finding {
  const conditions = [
    ...pointConditions(facts),
    ...runConditions(facts),
    ...snapshotConditions(facts),
    ...drillConditions(facts, options.drilledBy),
    ...unsupportedKeys(facts, options.skipTypes),
    ...silence(facts, options),
    ...controlConditions(facts),
    ...indexConditions(facts, options.index ?? null),
  ];
  return {
    conditions,
    evaluated: options.isGuard === true ? EVALUATED_BY_GUARD : EVALUATED,
    undecided: outOfSight(facts),
  };
}

function pointConditions(facts: Facts): Condition[] {
  const { ageHours, ageMs, ambiguous, met, newest, passedOver } = recoveryPointOf(facts);
  const hint =
    'See the last runs in the status. Take one now: `npx soulcaster-backup backup --env-file .env`, with --local if the queue is down.';
  const but = passedOver.length === 0 ? '' : ` Newer ones do not count: ${notCounted(passedOver)}.`;
  const is = (code: AlertCode, message: string): Condition[] => [
    { code, subject: 'database', message: `${message}${but}`, hint },
  ];
  if (ambiguous) {
    return is(
      'rpo-breached',
      'The store holds snapshots of several databases, and UPSTASH_REDIS_REST_URL is not set here.',
    );
  }
  if (ageMs === null || ageHours === null) {
    return is('rpo-breached', 'There is no verified snapshot of the database that can be relied on.');
  }
  const words = `The newest verified snapshot, ${newest?.id ?? ''}, is ${ageHours} hours old`;
  if (!met) return is('rpo-breached', `${words}; the objective is 24.`);
  return ageMs > AT_RISK_MS ? is('rpo-at-risk', `${words}: a run is missing. The objective is 24.`) : [];
}

/** This many snapshots that do not count are named. */
const NAMED = 3;

function notCounted(passedOver: readonly PassedOver[]): string {
  const more = passedOver.length > NAMED ? `; and ${passedOver.length - NAMED} more` : '';
  return `${passedOver.slice(0, NAMED).map(passedOverWords).join('; ')}${more}`;
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
  if (backup !== undefined && backup.state !== 'succeeded') conditions.push({ ...BACKUP_FAILED, ...ofRun(backup) });
  const restore = lastEnded(runs, 'restore');
  if (restore?.state === 'failed') conditions.push({ ...RESTORE_FAILED, ...ofRun(restore) });
  return conditions;
}

const BACKUP_FAILED = { code: 'backup-failed', subject: 'snapshot' } as const;
const RESTORE_FAILED = { code: 'restore-failed', subject: 'restore' } as const;

/** How the last run of a kind ended is not known where it may be one of those that were not read. */
function outOfSight({ hasMoreRuns, runs }: Facts): ReadonlySet<string> {
  const last = [BACKUP_FAILED, RESTORE_FAILED].filter(({ subject }) => lastEnded(runs, subject) === undefined);
  return new Set(hasMoreRuns ? last.map(keyOf) : []);
}

function ofRun({ id, kind, state, error }: RunRecord): Pick<Condition, 'hint' | 'message'> {
  const why = error === null ? '' : `: ${error.message}`;
  return {
    message: `Run ${id}, a ${kind}, ended as ${state}${why}`,
    hint: error?.hint ?? 'See the run.',
  };
}

function snapshotConditions(facts: Facts): Condition[] {
  const { entries, now } = facts;
  const damaged = entries.filter(isFoundDamaged);
  const ahead = entries.filter((entry) => isFromFuture(entry, now));
  return [
    ...damaged.map(({ id, missingParts }) => ({
      code: 'snapshot-damaged' as const,
      subject: id,
      message:
        missingParts > 0
          ? `Snapshot ${id} lacks ${missingParts} of its parts: they are not in the store, or have another size there.`
          : `Snapshot ${id} was found damaged when it was last verified.`,
      hint: 'Do not rely on it. Take one now, and find out who writes to the bucket; bring back older versions of its objects.',
    })),
    ...doubtConditions(facts),
    ...ahead.slice(0, 1).map(({ id }) => ({
      code: 'clock-suspicious' as const,
      subject: 'clock',
      message: `Snapshot ${id}${ahead.length > 1 ? ` and ${ahead.length - 1} more` : ''} is dated in the future by the clock here.`,
      hint: 'It does not count for the objective. Check the clocks with `npx soulcaster-backup doctor --env-file .env`; forged dates look the same.',
    })),
  ];
}

function unsupportedKeys(facts: Facts, skipTypes: readonly string[]): Condition[] {
  const manifest = newestBackup(facts);
  const types = manifest === null ? [] : refusedTypes(manifest.ledger, skipTypes);
  if (manifest === null || types.length === 0) return [];
  const { id, ledger } = manifest;
  const keys = ledger.unsupported.count;
  return [
    {
      code: 'keys-unsupported',
      subject: 'database',
      message: `${keys} ${keys === 1 ? 'key is' : 'keys are'} not in snapshot ${id}: no snapshot can hold the type ${types.join(', ')}.`,
      hint: `\`npx soulcaster-backup show ${id} --env-file .env\` names them. Save them by other means, or set BACKUP_SKIP_TYPES=${types.join(',')} if you can do without.`,
    },
  ];
}

function silence({ entries, now }: Facts, { guard, schedulers }: EvaluateOptions): Condition[] {
  if (guard.lastRunAt !== null && schedulers.length > 0) return silentConditions(heardOf(schedulers, guard, now));
  const first = entries.at(-1)?.manifest?.createdAt;
  const since = Date.parse(guard.lastRunAt ?? first ?? '');
  if (Number.isNaN(since) || now - since < CRON_SILENT_MS) return [];
  const message = guard.lastRunAt === null ? 'The guard has never run.' : `The guard ran last at ${guard.lastRunAt}.`;
  const hint =
    'See that the cron of /api/cron/guard is on in the Vercel project, and its log; `npx soulcaster-backup guard --env-file .env` runs it by hand.';
  return [{ code: 'guard-silent', subject: 'guard', message, hint }];
}

const DAY_MS = 24 * 3_600_000;

/** What there is to tell of drills, and of the time objective that is measured by them. */
function drillConditions(facts: Facts, drilledBy: EvaluateOptions['drilledBy']): Condition[] {
  return [...failure(facts), ...overdue(facts, drilledBy), ...tooSlow(facts)];
}

function failure({ drills }: Facts): Condition[] {
  const last = drills.find(({ outcome }) => outcome === 'passed' || outcome === 'failed');
  if (last?.outcome !== 'failed') return [];
  const message = `Drill ${last.id} of snapshot ${last.snapshot ?? 'none'} failed: ${last.reason ?? 'no reason was noted'}`;
  const hint = `See \`npx soulcaster-backup run ${last.id} --env-file .env\`; when it is mended, drill again: \`${DRILL_COMMAND}\`.`;
  return [{ code: 'drill-failed', subject: 'drill', message, hint }];
}

/** Where no drill ever came to a verdict and there is no scratch database, drills are not wanted. */
function overdue(facts: Facts, drilledBy: EvaluateOptions['drilledBy']): Condition[] {
  const { drills, entries, now } = facts;
  const verdict = lastVerdict(facts, now);
  if (verdict === null && drilledBy === null) return [];
  const first = entries.at(-1)?.manifest?.createdAt;
  const since = verdict === null ? Date.parse(first ?? '') : timeOf(verdict);
  if (Number.isNaN(since) || now - since < DRILL_OVERDUE_MS) return [];
  const days = Math.floor((now - since) / DAY_MS);
  const last = drills.find(({ outcome }) => outcome === 'inconclusive');
  const why = last?.reason == null ? '' : ` The last try was inconclusive: ${last.reason}.`;
  const message = `No drill has come to a verdict for ${days} days; one a week is due.${why}`;
  const hint =
    drilledBy === 'operator'
      ? `${DRILLED_ELSEWHERE}, once a week: \`${LOCAL_DRILL_COMMAND}\`.`
      : `Set DRILL_REDIS_REST_URL and _TOKEN to an empty database that is used for nothing else, then \`${DRILL_COMMAND}\`.`;
  return [{ code: 'drill-overdue', subject: 'drill', message, hint }];
}

function tooSlow(facts: Facts): Condition[] {
  const keys = recoveryPointOf(facts).newest?.manifest?.counts.keys ?? null;
  const { met, projectedMilliseconds } = recoveryTimeOf(facts.lastPassed, keys);
  if (met !== false || projectedMilliseconds === null) return [];
  const hours = (projectedMilliseconds / 3_600_000).toFixed(1);
  const message = `To have everything back would take ${hours} hours, going by drill ${facts.lastPassed?.id ?? ''}; the objective is 4.`;
  const hint = 'Raise RESTORE_TASKS_AT_A_TIME as far as the QStash plan allows, or the rate limit of the database.';
  return [{ code: 'rto-breached', subject: 'database', message, hint }];
}
