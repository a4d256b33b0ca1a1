import { cronBackup } from '../../lib/http/backup.js';
import { cronEntry } from '../../lib/http/entry.js';

export const GET = cronEntry(cronBackup);
