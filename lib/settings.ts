import { createHash } from 'node:crypto';
import { loadConfig, problemOfSection, wantsTarget, type Environment } from './config.js';
import { protectedDatabase } from './connect/database.js';
import type { RetentionSettings } from './guard/prune/prune.js';
import type { AlertRules } from './guard/status/report.js';
import type { ReindexSettings } from './reindex/context.js';
import type { RestoreSettings } from './restore/context.js';
import { DRILL_TARGET } from './restore/drill/record.js';
import { DEFAULT_SNAPSHOT_SETTINGS, type SnapshotSettings } from './snapshot/settings.js';
import { TOOL } from './version.js';

const MIB = 1024 * 1024;
/** Parts of a restore that one process works on at a time; each is in memory while it is. */
const PARTS_IN_PROCESS = 2;

export function snapshotSettings(env: Environment): SnapshotSettings {
  const { limits } = loadConfig(env, ['limits']);
  const { label, source } = protectedDatabase(env);
  return {
    ...DEFAULT_SNAPSHOT_SETTINGS,
    inFlight: limits.BACKUP_REQUESTS_IN_FLIGHT,
    partBytes: limits.BACKUP_PART_MIB * MIB,
    fieldExpiry: limits.BACKUP_FIELD_EXPIRY,
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
    textsPerMinute: embedder.EMBEDDING_TEXTS_PER_MINUTE ?? null,
    // The limit is the key's: whoever uses the same key shares it.
    rateKey: `gemini-${createHash('sha256').update(embedder.GEMINI_API_KEY).digest('hex').slice(0, 12)}`,
    patience: !queued,
  };
}

/** What the configuration has to say to alerts. */
export function alertRules(env: Environment): AlertRules {
  return { hasScratch: wantsTarget(env, DRILL_TARGET), skipTypes: skippedTypes(env) };
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
export function skippedTypes(env: Environment): readonly string[] {
  return problemOfSection(env, 'limits') === null ? loadConfig(env, ['limits']).limits.BACKUP_SKIP_TYPES : [];
}
