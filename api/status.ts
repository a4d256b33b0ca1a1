import { openView } from '../lib/http/entry.js';
import { showStatus } from '../lib/http/status.js';

export const GET = openView(showStatus);
