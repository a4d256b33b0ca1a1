import type { Environment } from '../config.js';
import { VERSION } from '../../version.js';
import { protectedDatabase } from './database.js';

/** Which deployment answers: whatever shows figures, or asks before it writes, says whose they are. */
export interface Deployment {
  /** BACKUP_LABEL. */
  readonly label: string | null;
  /** Host of the protected database; null where none is configured. */
  readonly database: string | null;
  /** BACKUP_STORE. */
  readonly store: string | null;
  readonly version: string;
}

/** Throws nothing: a label that is refused elsewhere is left out here. */
export function deploymentOf(env: Environment): Deployment {
  const store = env['BACKUP_STORE'] ?? '';
  const named = { store: store === '' ? null : store, version: VERSION };
  try {
    const { host, label } = protectedDatabase(env);
    return { label, database: host, ...named };
  } catch {
    return { label: null, database: null, ...named };
  }
}
