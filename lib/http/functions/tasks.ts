import { queueEntry } from '../entry.js';
import { runTask } from '../tasks.js';

export const POST = queueEntry(runTask);
