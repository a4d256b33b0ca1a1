import { adminView } from '../lib/http/entry.js';
import { showSnapshots } from '../lib/http/snapshots.js';

export const GET = adminView(showSnapshots);
