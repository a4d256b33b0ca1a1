import { connect } from './connect.js';
import { loadConfig, type Environment } from './config.js';
import { queueChecks, embedderReachChecks, indexChecks } from '../health/checks/services.js';
import { reachChecks } from '../health/checks/redis.js';
import type { CheckGroup } from '../health/doctor.js';
import { EMBEDDER_KEYS } from '../services/embedders.js';
import { tryServices, type TryServices } from '../monitoring/services.js';

/** A service that takes longer, in milliseconds, does not work as far as whoever looks is concerned. */
const LIMIT_MS = 5_000;
/** Here nothing is embedded, which would use up the day's quota of whoever leaves the page open, and models are not compared. */
const LIGHTER: ReadonlySet<string> = new Set(['embedder', 'index']);

/**
 * What the status tries at the moment it is asked: database, queue, index and embedder, each as far as it is configured, by
 * one request that costs little. The store is tried by the status itself, which is read from it.
 */
export function liveServices(env: Environment): TryServices {
  const isSet = (name: string): boolean => (env[name] ?? '') !== '';
  const patience = { impatient: true };
  const groups: [variable: string, group: () => CheckGroup][] = [
    ['UPSTASH_REDIS_REST_URL', () => reachChecks(() => connect(env, ['redis'], patience).redis)],
    ['QSTASH_TOKEN', () => queueChecks(() => connect(env, ['queue'], patience).queue)],
    [
      'UPSTASH_VECTOR_REST_URL',
      () =>
        indexChecks(
          () => connect(env, ['vectors'], patience).vectors,
          // The status tells of another model as an alert.
          { dimensions: () => dimensionsOf(env), other: () => Promise.resolve(null), writes: false },
        ),
    ],
    [EMBEDDER_KEYS.find(isSet) ?? '', () => embedderReachChecks(() => connect(env, ['embedder'], patience).embedder)],
  ];
  const wanted = groups.filter(([variable]) => isSet(variable)).map(([, group]) => group().map(limited));
  return tryServices(connect(env, ['clock']).clock, wanted, LIGHTER);
}

/** The model's dimensions are known without its key, so that an index can be tried alone. */
export function dimensionsOf(env: Environment): number {
  const hasKey = EMBEDDER_KEYS.some((key) => (env[key] ?? '') !== '');
  const withKey = hasKey ? env : { ...env, [EMBEDDER_KEYS[0] ?? '']: 'not-set' };
  return loadConfig(withKey, ['embedder']).embedder.EMBEDDING_DIMENSIONS;
}

function limited(check: CheckGroup[number]): CheckGroup[number] {
  return { ...check, limitMs: LIMIT_MS };
}
