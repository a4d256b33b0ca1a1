import { adminView } from '../../lib/http/entry.js';
import { showRun } from '../../lib/http/runs.js';

export const GET = adminView(showRun);
