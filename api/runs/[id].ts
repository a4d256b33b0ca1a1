import { adminEntry, adminView } from '../../lib/http/entry.js';
import { adminCancel, showRun } from '../../lib/http/runs.js';

export const GET = adminView(showRun);
export const POST = adminEntry(adminCancel);
