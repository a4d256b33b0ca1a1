import { cronEntry } from '../../entry.js';
import { cronGuard } from '../../guard.js';

export const GET = cronEntry(cronGuard);
