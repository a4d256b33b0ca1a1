import { loadConfig, problemOfSection, wantsTarget, type Environment } from './config.js';
import { protectedDatabase } from './connect/database.js';
import { connect, guardScheduleOf } from './connect.js';
import { perDay } from './connect/indexes.js';
import type { ConfiguredIndex } from '../monitoring/alerts/source.js';
import type { RetentionSettings } from '../retention/policy.js';
import type { AlertRules } from '../monitoring/status/answers.js';
import type { ReindexSettings } from '../reindex/context.js';
import type { RestoreSettings } from '../restore/context.js';
import { DRILL_TARGET } from '../restore/drill/record.js';
import { DEFAULT_SNAPSHOT_SETTINGS, type SnapshotSettings } from '../snapshot/settings.js';
import { TEXT_RULE } from '../soulcaster/index-models.js';
import { TOOL } from '../version.js';

const MIB = 1024 * 1024;
/** Parts of a restore that one process works on at a time; each is in memory while it is. */
const PARTS_IN_PROCESS = 2;

/** Commands a second that a run may take of the application's database; Infinity where there is no bound. */
export function commandsPerSecond(env: Environment): number {
  const { BACKUP_COMMANDS_PER_SECOND: most } = loadConfig(env, ['limits']).limits;
  return most === 0 ? Infinity : most;
}

export function snapshotSettings(env: Environment): SnapshotSettings {
  const { limits } = loadConfig(env, ['limits']);
  const { label, source } = protectedDatabase(env);
  return {
    ...DEFAULT_SNAPSHOT_SETTINGS,
    inFlight: limits.BACKUP_REQUESTS_IN_FLIGHT,
    partBytes: limits.BACKUP_PART_MIB * MIB,
    skipTypes: limits.BACKUP_SKIP_TYPES,
    tool: TOOL,
    ...(label === null ? {} : { label }),
    ...(source === null ? {} : { owner: source }),
  };
}

/** `queued`: whether other instances do the work, side by side, over a queue. */
export function restoreSettings(env: Environment, queued: boolean): RestoreSettings {
  const { limits } = loadConfig(env, ['limits']);
  return {
    inFlight: limits.BACKUP_REQUESTS_IN_FLIGHT,
    inline: queued ? 0 : PARTS_IN_PROCESS,
    parallelism: limits.RESTORE_TASKS_AT_A_TIME,
    safety: { ...snapshotSettings(env), purpose: 'safety' },
  };
}

export function reindexSettings(env: Environment, queued: boolean): ReindexSettings {
  const { embedder, limits } = loadConfig(env, ['embedder', 'limits']);
  const batches = limits.REINDEX_BATCHES_AT_A_TIME;
  return {
    dimensions: embedder.EMBEDDING_DIMENSIONS,
    cutCodePoints: embedder.CLUSTERING_TRUNCATE_BODY_CHARS,
    inline: queued ? 0 : batches,
    parallelism: batches,
    updatesPerDay: perDay(loadConfig(env, ['vector']).vector.VECTOR_UPDATES_PER_DAY),
    patience: !queued,
  };
}

/** What the configuration has to say to alerts. */
export function alertRules(env: Environment): AlertRules {
  const isSet = (name: string): boolean => (env[name] ?? '') !== '';
  return {
    drilledBy: !wantsTarget(env, DRILL_TARGET) ? null : functionsCanOpen(env) ? 'guard' : 'operator',
    skipTypes: skippedTypes(env),
    index: configuredIndex(env),
    // One that is configured wrongly is still to be heard of.
    schedulers: [
      ...(isSet('CRON_SECRET') ? (['cron'] as const) : []),
      ...(guardScheduleOf(env) !== null ? (['schedule'] as const) : []),
    ],
    alerting: {
      channel: isSet('ALERT_WEBHOOK_URL'),
      heartbeat: isSet('HEARTBEAT_URL'),
      address: problemOfSection(env, 'alerts') === null ? connect(env, ['alerter']).alerter.address : null,
    },
  };
}

/** Whether the functions can open what they write. A file of identities is never theirs: `deploy` does not send it. */
export function functionsCanOpen(env: Environment): boolean {
  const isSet = (name: string): boolean => (env[name] ?? '') !== '';
  const hasIdentity = isSet('BACKUP_AGE_IDENTITY') && !isSet('BACKUP_AGE_IDENTITY_FILE');
  return !isSet('BACKUP_AGE_RECIPIENTS') || hasIdentity;
}

/** What vectors are made with, and the index that they go into; null where either is not configured. */
export function configuredIndex(env: Environment): ConfiguredIndex | null {
  if (problemOfSection(env, 'vector') !== null || problemOfSection(env, 'embedder') !== null) return null;
  const { vectors } = connect(env, ['vectors']);
  const { EMBEDDING_MODEL: model, ...embedder } = loadConfig(env, ['embedder']).embedder;
  const { EMBEDDING_DIMENSIONS: dimensions, CLUSTERING_TRUNCATE_BODY_CHARS: cutCodePoints } = embedder;
  return { place: vectors.place, recipe: { model, dimensions, cutCodePoints, textRule: TEXT_RULE } };
}

export function retentionSettings(env: Environment): RetentionSettings {
  const { retention } = loadConfig(env, ['retention']);
  return {
    keepLast: retention.RETENTION_KEEP_LAST,
    keepWithinHours: retention.RETENTION_KEEP_WITHIN_DAYS * 24,
    keepDaily: retention.RETENTION_KEEP_DAILY,
    keepWeekly: retention.RETENTION_KEEP_WEEKLY,
    keepMonthly: retention.RETENTION_KEEP_MONTHLY,
    asideDays: retention.RETENTION_ASIDE_DAYS,
    runsDays: retention.RETENTION_RUNS_DAYS,
  };
}

/** Types of keys that the operator does without; none where the limits are malformed, which the checks tell of. */
function skippedTypes(env: Environment): readonly string[] {
  return problemOfSection(env, 'limits') === null ? loadConfig(env, ['limits']).limits.BACKUP_SKIP_TYPES : [];
}
