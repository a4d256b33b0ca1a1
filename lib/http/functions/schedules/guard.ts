import { scheduleEntry } from '../../entry.js';
import { isSignedByQueue, scheduledGuard } from '../../crons.js';

export const POST = scheduleEntry(scheduledGuard, isSignedByQueue);
