import type { ObjectStore } from '../ports/store.js';
import { countMarkers } from './markers.js';
import type { RunRecord } from './model.js';
import { loadRun } from './records.js';

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
