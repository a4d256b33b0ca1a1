import { webhookEntry } from '../../lib/http/entry.js';
import { webhookRestore } from '../../lib/http/restore.js';

export const POST = webhookEntry(webhookRestore);
