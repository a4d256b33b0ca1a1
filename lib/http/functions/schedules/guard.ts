import { scheduleEntry } from '../../entry.js';
import { isOfSchedule, scheduledGuard } from '../../guard.js';

export const POST = scheduleEntry(scheduledGuard, isOfSchedule);
