import { adminBackup } from '../lib/http/backup.js';
import { adminEntry } from '../lib/http/entry.js';

export const POST = adminEntry(adminBackup);
