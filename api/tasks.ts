import { queueEntry } from '../lib/http/entry.js';
import { runTask } from '../lib/http/tasks.js';

export const POST = queueEntry(runTask);
