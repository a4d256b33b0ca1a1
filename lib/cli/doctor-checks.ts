import { loadConfig, type Environment, type Section } from '../config.js';
import { connect, connectPlainReplica, connectPlainStore } from '../connect.js';
import { AppError } from '../errors.js';
import { publicUrlChecks, secretChecks } from '../guard/checks/access.js';
import { alertChecks } from '../guard/checks/alerts.js';
import { encryptionChecks, signatureChecks } from '../guard/checks/keys.js';
import { queueChecks } from '../guard/checks/queue.js';
import { redisChecks } from '../guard/checks/redis.js';
import { storeChecks } from '../guard/checks/store.js';
import { notConfigured, notConfiguredButNeeded, ok, type CheckGroup, type Observation } from '../guard/doctor.js';
import type { Clock } from '../ports/clock.js';
import { retentionSettings } from '../settings.js';

/** One group of checks for every service there may be; what is not configured at all is told as such. */
export function checkGroups(env: Environment, clock: Clock): CheckGroup[] {
  const isSet = (name: string): boolean => (env[name] ?? '') !== '';
  const needed = (name: string, variables: readonly string[], meaning: string, make: () => CheckGroup): CheckGroup =>
    variables.some(isSet) ? make() : notConfiguredButNeeded(name, meaning);
  const group = (name: string, variables: readonly string[], meaning: string, make: () => CheckGroup): CheckGroup =>
    variables.some(isSet) ? make() : notConfigured(name, meaning);
  return [
    needed('redis', ['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN'], 'not set: no snapshot can be taken', () =>
      redisChecks(() => connect(env, ['redis']).redis, clock),
    ),
    needed('store', ['BACKUP_STORE'], 'BACKUP_STORE is not set: there is nowhere to keep snapshots', () =>
      storeChecks(() => connectPlainStore(loadConfig(env, ['store']).store), env['BACKUP_STORE'] ?? '', clock),
    ),
    group('replica', ['BACKUP_REPLICA_STORE'], 'BACKUP_REPLICA_STORE is not set: all copies are in one place', () =>
      storeChecks(() => connectPlainReplica(env), env['BACKUP_REPLICA_STORE'] ?? '', clock, 'replica'),
    ),
    [{ name: 'retention', look: () => Promise.resolve(policyOf(env)) }],
    group('queue', ['QSTASH_TOKEN'], 'QSTASH_TOKEN is not set: runs end with the process that started them', () =>
      queueChecks(() => connect(env, ['queue']).queue),
    ),
    group(
      'encryption',
      ['BACKUP_AGE_RECIPIENTS', 'BACKUP_AGE_IDENTITY'],
      'no recipients: snapshots are not encrypted',
      () => encryptionChecks(() => connect(env, ['sealer']).sealer),
    ),
    group('signature', ['BACKUP_SIGNING_KEY', 'BACKUP_SIGNING_PUBLIC_KEY'], 'no key: manifests are not signed', () =>
      signatureChecks(() => connect(env, ['signer']).signer),
    ),
    group('cron-secret', ['CRON_SECRET'], 'CRON_SECRET is not set: the nightly cron is refused', () =>
      secretChecks(accessSecret(env, 'CRON_SECRET', 'cron'), [env['ADMIN_TOKEN'] ?? '']),
    ),
    group('admin-token', ['ADMIN_TOKEN'], 'ADMIN_TOKEN is not set: the operators’ calls are refused', () =>
      secretChecks(accessSecret(env, 'ADMIN_TOKEN', 'admin'), [env['CRON_SECRET'] ?? '']),
    ),
    group('public-url', ['PUBLIC_URL'], 'PUBLIC_URL is not set: a queue would not know where to deliver', () =>
      publicUrlChecks(env['PUBLIC_URL'] ?? ''),
    ),
    group('alerts', ['ALERT_WEBHOOK_URL', 'HEARTBEAT_URL'], 'not set: nobody is told when something is wrong', () =>
      alertChecks({
        webhook: isSet('ALERT_WEBHOOK_URL'),
        heartbeat: isSet('HEARTBEAT_URL'),
        problem: problemOf(env, 'alerts'),
      }),
    ),
  ];
}

/** Throws `config` for a policy that cannot be. */
function policyOf(env: Environment): Observation {
  const { keepLast, keepDaily, keepWeekly, keepMonthly } = retentionSettings(env);
  return ok(`keeps the last ${keepLast}, and of ${keepDaily} days, ${keepWeekly} weeks and ${keepMonthly} months`);
}

function accessSecret(env: Environment, variable: 'CRON_SECRET' | 'ADMIN_TOKEN', section: Section) {
  return { variable, value: env[variable] ?? '', problem: problemOf(env, section) };
}

function problemOf(env: Environment, section: Section): AppError | null {
  try {
    loadConfig(env, [section]);
    return null;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}
