import { isSet, loadConfig, problemOfSection, wantsTarget, type Environment } from './config.js';
import { protectedDatabase } from './connect/database.js';
import { connect, guardScheduleOf } from './connect.js';
import { dailyLimit } from './connect/indexes.js';
import type { ConfiguredIndex } from '../monitoring/alerts/condition.js';
import type { RetentionSettings } from '../retention/policy.js';
import type { AlertRules } from '../monitoring/status/answers.js';
import type { ReindexSettings } from '../reindex/context.js';
import type { RestoreSettings } from '../restore/context.js';
import { DRILL_TARGET } from '../restore/drill/record.js';
import { DEFAULT_SNAPSHOT_SETTINGS, type SnapshotSettings } from '../snapshot/settings.js';
import { TEXT_RULE } from '../soulcaster/index-models.js';
import { TOOL } from '../version.js';

const MIB = 1024 * 1024;
/** How many parts of a restore one process works on at a time; each is held in memory. */
const PARTS_IN_PROCESS = 2;

/** How many commands per second a run may send to the application's database; Infinity for no limit. */
export function commandsPerSecond(env: Environment): number {
  const { BACKUP_COMMANDS_PER_SECOND: limit } = loadConfig(env, ['limits']).limits;
  return limit === 0 ? Infinity : limit;
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

/** `queued`: whether a queue distributes the work to other instances. */
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
    updatesPerDay: dailyLimit(loadConfig(env, ['vector']).vector.VECTOR_UPDATES_PER_DAY),
    patience: !queued,
  };
}

/** The facts of the configuration that alerts depend on. */
export function alertRules(env: Environment): AlertRules {
  return {
    drilledBy: !wantsTarget(env, DRILL_TARGET) ? null : functionsCanOpen(env) ? 'guard' : 'operator',
    skipTypes: skippedTypes(env),
    index: configuredIndex(env),
    // A wrongly configured scheduler is still expected to call.
    schedulers: [
      ...(isSet(env, 'CRON_SECRET') ? (['cron'] as const) : []),
      ...(guardScheduleOf(env) !== null ? (['schedule'] as const) : []),
    ],
    alerting: {
      channel: isSet(env, 'ALERT_WEBHOOK_URL'),
      heartbeat: isSet(env, 'HEARTBEAT_URL'),
      address: problemOfSection(env, 'alerts') === null ? connect(env, ['alerter']).alerter.address : null,
    },
  };
}

/** Whether the functions can open the snapshots they write. They never have an identity file: `deploy` does not send it. */
export function functionsCanOpen(env: Environment): boolean {
  const hasIdentity = isSet(env, 'BACKUP_AGE_IDENTITY') && !isSet(env, 'BACKUP_AGE_IDENTITY_FILE');
  return !isSet(env, 'BACKUP_AGE_RECIPIENTS') || hasIdentity;
}

/** The recipe of the vectors and their index; null if either is not configured. */
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

/** Key types that snapshots leave out; none if the limits are malformed, which the checks report. */
function skippedTypes(env: Environment): readonly string[] {
  return problemOfSection(env, 'limits') === null ? loadConfig(env, ['limits']).limits.BACKUP_SKIP_TYPES : [];
}
