import { cronEntry } from '../../lib/http/entry.js';
import { cronGuard } from '../../lib/http/guard.js';

export const GET = cronEntry(cronGuard);
