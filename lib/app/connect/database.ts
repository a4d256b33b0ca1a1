import { wantsTarget, loadConfig, loadTarget, type Environment } from '../config.js';
import { databaseHost } from '../../services/upstash-redis/redis.js';
import { sourceOf, type ProtectedDatabase } from '../../snapshot/source.js';
import { trustContext, type TrustContext, type TrustPorts } from '../../snapshot/trust.js';

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
