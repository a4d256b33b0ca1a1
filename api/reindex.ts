import { adminEntry } from '../lib/http/entry.js';
import { adminReindex } from '../lib/http/reindex.js';

export const POST = adminEntry(adminReindex);
