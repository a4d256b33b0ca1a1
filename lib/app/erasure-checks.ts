import { erasuresCheck } from '../health/checks/keys.js';
import type { CheckGroup } from '../health/doctor.js';
import { loadErasures } from '../snapshot/erasures.js';
import { secondErasures } from './app.js';
import { isSet, type Environment } from './config.js';
import { connect } from './connect.js';
import { silentLog } from './in-process.js';

/** None where snapshots are encrypted and no identity is set: the list cannot be opened there, and nothing is restored there. */
export function erasureGroups(env: Environment): CheckGroup[] {
  const canOpen = isSet(env, 'BACKUP_AGE_IDENTITY') || !isSet(env, 'BACKUP_AGE_RECIPIENTS');
  if (!canOpen || !isSet(env, 'BACKUP_STORE')) return [];
  const log = silentLog();
  return [
    erasuresCheck((onUnread) =>
      loadErasures(connect(env, ['encryptor', 'store'], { log }), secondErasures(env, log, onUnread)),
    ),
  ];
}
