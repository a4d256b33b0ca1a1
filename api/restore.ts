import { adminEntry } from '../lib/http/entry.js';
import { adminRestore } from '../lib/http/restore.js';

export const POST = adminEntry(adminRestore);
