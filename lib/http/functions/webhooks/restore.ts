import { webhookEntry } from '../../entry.js';
import { webhookRestore } from '../../restore.js';

export const POST = webhookEntry(webhookRestore);
