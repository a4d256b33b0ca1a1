import type { ObjectStore } from '../ports/store.js';
import { countMarkers } from './markers.js';
import type { RunRecord } from './model.js';
import { loadRun } from './records.js';

/**
 * A run as it is at this moment. The record alone does not count the tasks that a queue delivers one by one; their
 * markers do. Throws what `loadRun` throws.
 */
export async function viewRun(store: ObjectStore, id: string): Promise<RunRecord> {
  const { record } = await loadRun(store, id);
  if (record.state !== 'running' || record.tasks === 0) return record;
  const done = await countMarkers(store, id, record.phase);
  return {
    ...record,
    progress: { ...record.progress, done: Math.max(done, record.progress.done), total: record.tasks },
  };
}
