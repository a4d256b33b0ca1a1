import { wantsTarget, loadConfig, loadTarget, type Environment } from '../config.js';
import { databaseHost } from '../../services/upstash-redis/redis.js';
import { sourceOf, type ProtectedDatabase } from '../../snapshot/source.js';
import { trustContext, type TrustContext, type TrustPorts } from '../../snapshot/trust.js';
import { VERSION } from '../../version.js';

/** Names the protected database. Neither the database nor its token is needed. Throws `config` for an invalid label. */
export function protectedDatabase(env: Environment): ProtectedDatabase {
  const { BACKUP_LABEL: label } = loadConfig(env, ['database']).database;
  const text = env['UPSTASH_REDIS_REST_URL'] ?? '';
  const host = URL.canParse(text) ? databaseHost(text) || null : null;
  return { host, source: host === null ? null : sourceOf(host), label: label ?? null };
}

/** The host of a restore target, or of the protected database for null; null if it is not configured. */
export function hostOf(env: Environment, target: string | null): string | null {
  if (target === null) return protectedDatabase(env).host;
  return wantsTarget(env, target) ? databaseHost(loadTarget(env, target).url) : null;
}

/** The context in which the trust of snapshots is evaluated: signing keys, clock, and protected database. */
export function connectTrust(env: Environment, ports: TrustPorts): Promise<TrustContext> {
  return trustContext(ports, protectedDatabase(env).source);
}

/** Identifies the deployment in reports and before writes. */
export interface Deployment {
  /** BACKUP_LABEL. */
  readonly label: string | null;
  /** Host of the protected database; null if none is configured. */
  readonly database: string | null;
  /** BACKUP_STORE. */
  readonly store: string | null;
  readonly version: string;
}

/** Throws nothing: an invalid label is omitted. */
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
