import { adminDrill } from '../lib/http/drill.js';
import { adminEntry } from '../lib/http/entry.js';

export const POST = adminEntry(adminDrill);
