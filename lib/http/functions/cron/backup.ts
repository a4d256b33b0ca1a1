import { cronBackup } from '../../crons.js';
import { cronEntry } from '../../entry.js';

export const GET = cronEntry(cronBackup);
