import type { Json } from '../json.js';
import type { Progress, RunRecord, TaskPhase } from '../runs/model.js';

/** Parts read back at a time; each is in memory whole while it is checked. */
const PARTS_AT_A_TIME = 2;
const MESSAGES_AT_A_TIME = 5;

/** The phase that reads a snapshot's parts back, a task for each: the same whether it is new or long stored. */
export function checkPhase(next: string, task: (run: RunRecord, part: number) => Promise<Json>): TaskPhase {
  return {
    type: 'tasks',
    next,
    inline: PARTS_AT_A_TIME,
    parallelism: MESSAGES_AT_A_TIME,
    task,
    progress: (run, done): Progress => ({ done, total: run.tasks, unit: 'parts', bytes: run.progress.bytes }),
  };
}
