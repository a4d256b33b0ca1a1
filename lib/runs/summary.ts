import type { Json } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { traitsOf } from '../run-kinds.js';
import { countMarkers } from './markers.js';
import { doingOf, isOver, type RunRecord } from './model.js';
import { loadRun } from './records.js';
import { fieldsOf } from './traits.js';

/** What every view of a run shows, taken from its record. Times in ISO 8601. */
export interface RunSummary extends Pick<
  RunRecord,
  | 'kind'
  | 'state'
  | 'phase'
  | 'progress'
  | 'input'
  | 'trigger'
  | 'attempts'
  | 'lastError'
  | 'error'
  | 'createdAt'
  | 'updatedAt'
  | 'finishedAt'
> {
  readonly runId: string;
  readonly title: string;
  /** The request in words: snapshot, scope, mode, target, dry run. May be empty. */
  readonly asked: string;
  /** Whether the run writes, and into what: `LIVE`, `DRY RUN`, `into STAGING`; null if the kind has none. */
  readonly aim: string | null;
  /** What the run leaves behind if it is cancelled; null if nothing that matters, or if the run is over. */
  readonly ifCancelled: string | null;
  /** What the run does now, or did last, in words. */
  readonly doing: string;
  /** When the current phase began; null in records of older versions. */
  readonly phaseAt: string | null;
  /** When the run last made progress; null before the first. */
  readonly progressedAt: string | null;
  /** When the queue begins the next attempt at the latest; null if the run is over or the queue begins none. */
  readonly nextAttemptAt: string | null;
}

export function runSummary(run: RunRecord): RunSummary {
  const { id: runId, kind, state, phase, progress, input, trigger, attempts, progressedAt, lastError, error } = run;
  const { createdAt, updatedAt, finishedAt } = run;
  const nextAttemptAt = isOver(run) ? null : run.nextAttemptAt;
  const { aim, ifCancelled, title } = traitsOf(kind);
  const fields = fieldsOf(input);
  const words = { runId, kind, title, state, phase, doing: doingOf(run) };
  const request = { input, asked: describeRequest(input), aim: aim?.(fields) ?? null, trigger, attempts };
  return {
    ...words,
    ...request,
    ifCancelled: isOver(run) ? null : (ifCancelled?.(fields) ?? null),
    progress,
    phaseAt: run.phases.at(-1)?.at ?? null,
    progressedAt,
    lastError,
    nextAttemptAt,
    error,
    createdAt,
    updatedAt,
    finishedAt,
  };
}

function describeRequest(input: Json): string {
  const fields = fieldsOf(input);
  const text = (name: string): string | null => {
    const value = fields[name];
    return typeof value === 'string' && value !== '' ? value : null;
  };
  const [file, snapshot, mode, target] = [text('file'), text('snapshot'), text('mode'), text('target')];
  const words = [
    file !== null ? `file ${file}` : snapshot === null ? null : `snapshot ${snapshot}`,
    fields['scope'] === undefined ? null : describeScope(fields['scope']),
    mode === null ? null : `mode ${mode}`,
    target === null ? null : `into ${target}`,
    fields['dryRun'] === true ? 'dry run' : null,
  ];
  return words.filter((word) => word !== null).join(', ');
}

/** Lists every field by name, so that a scope of another version can be shown as well. */
function describeScope(scope: unknown): string | null {
  if (typeof scope !== 'object' || scope === null || Array.isArray(scope)) return null;
  if ('all' in scope) return 'everything';
  const fields = Object.entries(scope);
  return fields
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}

/**
 * A run as it is now. The record does not count the tasks that a queue delivers one by one; their markers do. Throws what
 * `loadRun` throws.
 */
export async function viewRun(store: ObjectStore, id: string): Promise<RunRecord> {
  return withTasksDone(store, (await loadRun(store, id)).record);
}

/** A record, updated with the tasks done since it was written. */
export async function withTasksDone(store: ObjectStore, record: RunRecord): Promise<RunRecord> {
  if (record.state !== 'running' || record.tasks === 0) return record;
  const { count, newestAt } = await countMarkers(store, record.id, record.phase);
  const last = Math.max(newestAt, Date.parse(record.progressedAt ?? '') || 0);
  return {
    ...record,
    progressedAt: last > 0 ? new Date(last).toISOString() : null,
    progress: { ...record.progress, done: Math.max(count, record.progress.done), total: record.tasks },
  };
}
