import { adminStoreEntry } from '../lib/http/entry.js';
import { adminVerify } from '../lib/http/verify.js';

export const POST = adminStoreEntry(adminVerify);
