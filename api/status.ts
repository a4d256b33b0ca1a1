import { testAlert } from '../lib/http/alerts.js';
import { adminView, openView } from '../lib/http/entry.js';
import { showStatus } from '../lib/http/status.js';

export const GET = openView(showStatus);
/** POST /api/alerts/test: vercel.json leads it here, since a deployment may have twelve functions at most. */
export const POST = adminView(testAlert);
