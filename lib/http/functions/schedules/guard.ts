import { scheduleEntry } from '../../entry.js';
import { isSignedByQueue, scheduledGuard } from '../../guard.js';

export const POST = scheduleEntry(scheduledGuard, isSignedByQueue);
