import { cronBackup } from '../../backup.js';
import { cronEntry } from '../../entry.js';

export const GET = cronEntry(cronBackup);
