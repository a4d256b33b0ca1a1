import { scheduleEntry } from '../../lib/http/entry.js';
import { isOfSchedule, scheduledGuard } from '../../lib/http/guard.js';

export const POST = scheduleEntry(scheduledGuard, isOfSchedule);
