import { connect } from './connect.js';
import { isSet, loadConfig, type Environment } from './config.js';
import { queueChecks, embedderReachChecks, indexChecks } from '../health/checks/services.js';
import { reachChecks } from '../health/checks/redis.js';
import type { CheckGroup } from '../health/doctor.js';
import { EMBEDDER_KEYS } from '../services/embedders.js';
import { tryServices, type TryServices } from '../monitoring/services.js';
import type { ProjectPorts } from '../monitoring/projects.js';
import { protectedDatabase } from './connect/database.js';

/** A service that takes longer than this, in milliseconds, is reported as not working. */
const LIMIT_MS = 5_000;
/** Checks that do less than doctor's: no embedding, which would use up the daily quota of an open page, and no comparison of models. */
const LIGHT_CHECKS: ReadonlySet<string> = new Set(['embedder', 'index']);

/**
 * Services that the status checks live, each with one cheap request if it is configured: database, queue, index and embedder.
 * The store needs no check: the status is read from it.
 */
export function liveServices(env: Environment): TryServices {
  const options = { impatient: true };
  const groups: [variable: string, group: () => CheckGroup][] = [
    ['UPSTASH_REDIS_REST_URL', () => reachChecks(() => connect(env, ['redis'], options).redis)],
    ['QSTASH_TOKEN', () => queueChecks(() => connect(env, ['queue'], options).queue)],
    [
      'UPSTASH_VECTOR_REST_URL',
      () =>
        indexChecks(
          () => connect(env, ['vectors'], options).vectors,
          // The status reports another model as an alert.
          { dimensions: () => dimensionsOf(env), other: () => Promise.resolve(null), writes: false },
        ),
    ],
    [
      EMBEDDER_KEYS.find((key) => isSet(env, key)) ?? '',
      () => embedderReachChecks(() => connect(env, ['embedder'], options).embedder),
    ],
  ];
  const wanted = groups.filter(([variable]) => isSet(env, variable)).map(([, group]) => group().map(withTimeLimit));
  return tryServices(connect(env, ['clock']).clock, wanted, LIGHT_CHECKS);
}

/** The configured dimensions. The embedder's key is not needed, so that an index can be checked without an embedder. */
export function dimensionsOf(env: Environment): number {
  const hasKey = EMBEDDER_KEYS.some((key) => isSet(env, key));
  const withKey = hasKey ? env : { ...env, [EMBEDDER_KEYS[0] ?? '']: 'not-set' };
  return loadConfig(withKey, ['embedder']).embedder.EMBEDDING_DIMENSIONS;
}

function withTimeLimit(check: CheckGroup[number]): CheckGroup[number] {
  return { ...check, limitMs: LIMIT_MS };
}

/** The services that figures of projects are read from; null for those that are not configured. */
export function connectProjects(
  env: Environment,
  ports: Pick<ProjectPorts, 'clock' | 'log' | 'signer' | 'store'>,
): ProjectPorts {
  const hasService = (name: string): boolean => isSet(env, `${name}_URL`) && isSet(env, `${name}_TOKEN`);
  return {
    ...ports,
    own: protectedDatabase(env).source,
    redis: hasService('UPSTASH_REDIS_REST') ? () => connect(env, ['redis']).redis : null,
    vectors: hasService('UPSTASH_VECTOR_REST') ? () => connect(env, ['vectors']).vectors : null,
  };
}
