import { cronEntry } from '../../entry.js';
import { cronGuard } from '../../crons.js';

export const GET = cronEntry(cronGuard);
