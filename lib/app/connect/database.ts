import { wantsTarget, loadConfig, loadTarget, type Environment } from '../config.js';
import { databaseHost } from '../../services/upstash-redis/redis.js';
import { sourceOf, type ProtectedDatabase } from '../../snapshot/source.js';
import { trustContext, type TrustContext, type TrustPorts } from '../../snapshot/trust.js';
import { VERSION } from '../../version.js';

/** The database that is backed up, by name: it need not be there, nor its token. Throws `config` for a bad label. */
export function protectedDatabase(env: Environment): ProtectedDatabase {
  const { BACKUP_LABEL: label } = loadConfig(env, ['database']).database;
  const text = env['UPSTASH_REDIS_REST_URL'] ?? '';
  const host = URL.canParse(text) ? databaseHost(text) || null : null;
  return { host, source: host === null ? null : sourceOf(host), label: label ?? null };
}

/** The host of the database that a target's name means; null where none of that name is configured. */
export function hostOf(env: Environment, target: string | null): string | null {
  if (target === null) return protectedDatabase(env).host;
  return wantsTarget(env, target) ? databaseHost(loadTarget(env, target).url) : null;
}

/** What snapshots are judged by here: the keys, the clock, and whose database is protected. */
export function connectTrust(env: Environment, ports: TrustPorts): Promise<TrustContext> {
  return trustContext(ports, protectedDatabase(env).source);
}

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
