import pMap from 'p-map';
import {
  isSet,
  knownVariables,
  loadConfig,
  problemOfSection,
  targetNames,
  wantsReplica,
  type Environment,
} from './config.js';
import { findMisspeltVariables } from './config/names.js';
import {
  connect,
  connectAlertHost,
  connectSchedules,
  connectTarget,
  connectTaskEndpoint,
  guardScheduleOf,
} from './connect.js';
import { connectNextIndex } from './connect/indexes.js';
import { connectTrust } from './connect/database.js';
import { connectPlainReplica, connectPlainStore, connectReplica, sharesBucket } from './connect/stores.js';
import { catalog } from '../snapshot/catalog.js';
import { renewSignatures } from '../snapshot/earlier-key.js';
import { findSignatureProblem } from '../snapshot/trust.js';
import { loadErasures } from '../snapshot/erasures.js';
import { secondErasures } from './app.js';
import type { Condition } from '../monitoring/alerts/condition.js';
import { accountGroups, credentialGroups, groupMakers, unlabelledDatabase } from './account-checks.js';
import { loadIndexCondition } from '../monitoring/alerts/from-index.js';
import {
  earlierKeyCheck,
  erasuresCheck,
  publicUrlChecks,
  secretChecks,
  encryptionChecks,
  NO_KEYS,
  type NewestSnapshot,
  signatureChecks,
} from '../health/checks/keys.js';
import {
  operatorDrillCheck,
  alertChecks,
  heartbeatChecks,
  scheduleCheck,
  schedulerChecks,
} from '../monitoring/checks.js';
import { sendTestAlert } from '../monitoring/alerts/messages.js';
import { EMBEDDER_KEYS } from '../services/embedders.js';
import { promiseChecks } from '../health/checks/promises.js';
import {
  queueChecks,
  backendChecks,
  embedderChecks,
  formCheck,
  indexChecks,
  nextIndexCheck,
  scratchCheck,
} from '../health/checks/services.js';
import { redisChecks } from '../health/checks/redis.js';
import { wayBackCheck, wayBackChecks } from '../health/checks/way-back.js';
import { lastVerdict, type DrillView } from '../monitoring/drill-view.js';
import { drills } from '../restore/drill/record.js';
import { ownDrills } from '../monitoring/facts.js';
import { readBelievedState, type GuardState } from '../monitoring/state.js';
import { apartCheck, storeChecks } from '../health/checks/store.js';
import { notConfigured, ok, warn, type CheckGroup, type Observation } from '../health/doctor.js';
import type { Signer } from '../ports/crypto.js';
import type { Clock, RedisPort } from '../ports/index.js';
import { silentLog } from './in-process.js';
import { dimensionsOf } from './live-services.js';
import { alertRules, configuredIndex, retentionSettings } from './settings.js';

/** The result of a check says what the log would. */
const QUIET = silentLog();
const TEST_PORTS = ['alerter', 'clock', 'log', 'store'] as const;
/** How many misspelt variables are named. */
const MAX_NAMED = 10;

/** One group of checks for each possible service; services that are not configured are reported as such. `unattended`: for the guard. */
export function checkGroups(env: Environment, clock: Clock, unattended = false): CheckGroup[] {
  const { group, needed } = groupMakers(env);
  const wayBack = wayBackOf(env);
  const lacksFile = !unattended && isSet(env, 'BACKUP_AGE_IDENTITY_FILE') && !isSet(env, 'BACKUP_AGE_IDENTITY');
  return [
    ...promiseChecks((name) => isSet(env, name), EMBEDDER_KEYS),
    [{ name: 'variables', run: () => Promise.resolve(checkVariables(env)) }],
    needed('redis', ['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN'], 'not set: no snapshot can be taken', () =>
      redisChecks(() => connect(env, ['redis']).redis, clock, true),
    ),
    needed('store', ['BACKUP_STORE'], 'BACKUP_STORE is not set: there is no place to keep snapshots', () =>
      storeChecks(
        () => connectPlainStore(loadConfig(env, ['store']).store),
        env['BACKUP_STORE'] ?? '',
        clock,
        'store',
        () => connect(env, ['store'], { log: QUIET }).store,
      ),
    ),
    group('replica', ['BACKUP_REPLICA_STORE'], 'BACKUP_REPLICA_STORE is not set: all copies are in one place', () => [
      ...storeChecks(() => connectPlainReplica(env), env['BACKUP_REPLICA_STORE'] ?? '', clock, 'replica'),
      apartCheck(
        () => (problemOfSection(env, 'store') === null ? connectPlainStore(loadConfig(env, ['store']).store) : null),
        () => connectPlainReplica(env),
        sharesBucket(env),
      ),
    ]),
    [{ name: 'retention', run: () => Promise.resolve(checkRetention(env)) }],
    group('queue', ['QSTASH_TOKEN'], 'QSTASH_TOKEN is not set: runs end with the process that started them', () => [
      ...queueChecks(() => connect(env, ['queue']).queue),
      // The guard sends no test message through the queue: its schedule already proves that path.
      ...(unattended
        ? [wayBackCheck(wayBack)]
        : wayBackChecks({
            ...wayBack,
            queue: () => connect(env, ['queue']).queue,
            store: () => connect(env, ['store']).store,
            clock,
          })),
      // The guard creates the schedule itself, in one of its steps.
      ...(unattended ? [] : scheduleChecks(env)),
    ]),
    ...(unattended
      ? []
      : schedulerChecks(
          alertRules(env).schedulers,
          () => guardStateOrNull(env),
          () => clock.now(),
        )),
    group(
      'encryption',
      ['BACKUP_AGE_RECIPIENTS', 'BACKUP_AGE_IDENTITY'],
      'no recipients: snapshots are not encrypted',
      () => encryptionChecks(() => connect(env, ['encryptor']).encryptor, lacksFile),
    ),
    ...erasureGroups(env),
    signatureGroup(env, unattended),
    ...(unattended ? [] : earlierKeyGroups(env)),
    group('cron-secret', ['CRON_SECRET'], 'CRON_SECRET is not set: the nightly cron is refused', () =>
      secretChecks(accessSecret(env, 'CRON_SECRET', 'cron'), [env['ADMIN_TOKEN'] ?? '']),
    ),
    group('admin-token', ['ADMIN_TOKEN'], 'ADMIN_TOKEN is not set: calls of operators are refused', () =>
      secretChecks(accessSecret(env, 'ADMIN_TOKEN', 'admin'), [env['CRON_SECRET'] ?? '']),
    ),
    group('public-url', ['PUBLIC_URL'], 'PUBLIC_URL is not set: a queue could not deliver to the functions', () =>
      publicUrlChecks(env['PUBLIC_URL'] ?? ''),
    ),
    group('alerts', ['ALERT_WEBHOOK_URL'], 'ALERT_WEBHOOK_URL is not set: no alerts are sent', () =>
      alertChecks({
        open: () => ({ ...connectAlertHost(env), address: connect(env, ['alerter']).alerter.address }),
        last: async () => (await guardStateOrNull(env))?.delivery ?? null,
        test: () => sendTestAlert({ ...connect(env, TEST_PORTS, { log: QUIET }), own: unlabelledDatabase(env).source }),
        now: () => clock.now(),
      }),
    ),
    group('heartbeat', ['HEARTBEAT_URL'], 'HEARTBEAT_URL is not set: nobody notices when the guard stops running', () =>
      heartbeatChecks(() => connect(env, ['heartbeat']).heartbeat),
    ),
    ...serviceGroups(env, clock, unattended),
    ...credentialGroups(env, clock),
  ];
}

/** Services of restores and re-indexes, besides database and store. */
function serviceGroups(env: Environment, clock: Clock, unattended: boolean): CheckGroup[] {
  const { group } = groupMakers(env);
  const nextNames = ['UPSTASH_VECTOR_NEXT_REST_URL', 'UPSTASH_VECTOR_NEXT_REST_TOKEN'];
  const vectorNames = ['UPSTASH_VECTOR_REST_URL', 'UPSTASH_VECTOR_REST_TOKEN'];
  return [
    group('index', vectorNames, 'not set: vectors are not rebuilt', () =>
      indexChecks(() => connect(env, ['vectors']).vectors, {
        dimensions: () => dimensionsOf(env),
        other: () => otherModelCondition(env),
        writes: true,
      }),
    ),
    ...(nextNames.some((name) => isSet(env, name))
      ? [nextIndexCheck(() => connectNextIndex(env), configuredIndexName(env))]
      : []),
    group('embedder', EMBEDDER_KEYS, `${EMBEDDER_KEYS.join(' or ')} is not set: vectors are not rebuilt`, () =>
      embedderChecks(() => connect(env, ['embedder']).embedder),
    ),
    group('drill', ['DRILL_REDIS_REST_URL', 'DRILL_REDIS_REST_TOKEN'], 'not set: no restore is rehearsed', () =>
      scratchCheck(
        'drill',
        () => connectTarget(env, 'drill'),
        () => primaryRedis(env),
        true,
      ),
    ),
    ...(!unattended && alertRules(env).drilledBy === 'operator'
      ? [
          operatorDrillCheck(
            () => lastDrillVerdict(env, clock),
            () => clock.now(),
          ),
        ]
      : []),
    ...targetNames(env).map((name) =>
      scratchCheck(
        `target-${name}`,
        () => connectTarget(env, name),
        () => primaryRedis(env),
        false,
      ),
    ),
    group('webhook-secret', ['RESTORE_WEBHOOK_SECRET'], 'not set: restores are started by operators alone', () =>
      formCheck('webhook-secret', () => connect(env, ['webhooks']).webhooks, 'RESTORE_WEBHOOK_SECRET is well-formed'),
    ),
    group('backend', ['BACKEND_URL'], 'BACKEND_URL is not set: a restore is not compared with the backend', () =>
      backendChecks(() => connect(env, ['backend']).backend),
    ),
    ...accountGroups(env),
  ];
}

async function lastDrillVerdict(env: Environment, clock: Clock): Promise<DrillView | null> {
  const trust = await connectTrust({ ...env, BACKUP_LABEL: '' }, { clock, ...connect(env, ['signer', 'store']) });
  return lastVerdict(await ownDrills(trust, () => drills(trust.store, trust.own)), clock.now());
}

/** Null if the store cannot be read, which the store's check reports. */
async function otherModelCondition(env: Environment): Promise<Condition | null> {
  try {
    return await loadIndexCondition(connect(env, ['store']).store, configuredIndex(env));
  } catch {
    return null;
  }
}

/** The guard does not compare the keys with the store: it reports each snapshot and each object that it does not believe. */
function signatureGroup(env: Environment, unattended: boolean): CheckGroup {
  const comparesStore = !unattended && isSet(env, 'BACKUP_STORE');
  const keys = ['BACKUP_SIGNING_KEY', 'BACKUP_SIGNING_PUBLIC_KEY'];
  if (!comparesStore && !keys.some((name) => isSet(env, name))) return notConfigured('signature', NO_KEYS);
  return signatureChecks(
    () => connect(env, ['signer']).signer,
    comparesStore ? (signer) => newestSnapshot(env, signer).catch(() => null) : null,
  );
}

async function newestSnapshot(env: Environment, signer: Signer): Promise<NewestSnapshot | null> {
  for await (const entry of catalog(connect(env, ['store'], { log: QUIET }).store)) {
    const { id, manifest } = entry;
    if (manifest === null) continue;
    return { id, isSigned: manifest.seal.signature !== null, isAccepted: findSignatureProblem(entry, signer) === null };
  }
  return null;
}

/** None where snapshots are encrypted and no identity is set: the list cannot be opened there, and nothing is restored there. */
function erasureGroups(env: Environment): CheckGroup[] {
  const canOpen = isSet(env, 'BACKUP_AGE_IDENTITY') || !isSet(env, 'BACKUP_AGE_RECIPIENTS');
  if (!canOpen || !isSet(env, 'BACKUP_STORE')) return [];

  return [
    erasuresCheck((onUnread) =>
      loadErasures(connect(env, ['encryptor', 'store'], { log: QUIET }), secondErasures(env, QUIET, onUnread)),
    ),
  ];
}

/** None without public keys besides the one of BACKUP_SIGNING_KEY. */
function earlierKeyGroups(env: Environment): CheckGroup[] {
  if (!isSet(env, 'BACKUP_SIGNING_PUBLIC_KEY') || !isSet(env, 'BACKUP_STORE')) return [];
  const openSigner = () => connect(env, ['signer']).signer;
  const renew = async () => {
    const { store } = connect(env, ['store'], { log: QUIET });
    const stores = [store, ...(wantsReplica(env) ? [connectReplica(env, QUIET)] : [])];
    const found = await pMap(stores, (each) => renewSignatures({ store: each, signer: openSigner() }));
    const snapshots = new Set(found.flatMap((each) => each.snapshots));
    return { objects: found.flatMap((each) => each.objects), snapshots: [...snapshots].sort() };
  };
  return [earlierKeyCheck(openSigner, renew)];
}

/** The protected database, without long retries; null if it is not configured, or wrongly. */
function primaryRedis(env: Environment): RedisPort | null {
  return problemOfSection(env, 'redis') === null ? connect(env, ['redis'], { impatient: true }).redis : null;
}

/** The index that the application uses; null if it is not configured, or wrongly. */
function configuredIndexName(env: Environment): string | null {
  return problemOfSection(env, 'vector') === null ? connect(env, ['vectors']).vectors.place.index : null;
}

function scheduleChecks(env: Environment): CheckGroup {
  const wanted = guardScheduleOf(env);
  return wanted === null
    ? []
    : [
        scheduleCheck(
          () => connectSchedules(env),
          wanted,
          () => answersAtPublicUrl(env),
        ),
      ];
}

/** Whether the functions of this program answer at PUBLIC_URL. */
export async function answersAtPublicUrl(env: Environment): Promise<boolean> {
  return (await wayBackCheck(wayBackOf(env)).run()).status === 'ok';
}

const wayBackOf = (env: Environment) => ({
  url: (env['PUBLIC_URL'] ?? '').replace(/\/$/, ''),
  endpoint: () => connectTaskEndpoint(env),
});

/** Null if the store cannot be read or the state is not believed, which the checks of store and signature report. */
async function guardStateOrNull(env: Environment): Promise<GuardState | null> {
  try {
    return await readBelievedState(connect(env, ['store'], { log: QUIET }).store, unlabelledDatabase(env).source);
  } catch {
    return null;
  }
}

/** Throws `config` for invalid limits; warns of variables that are set but not read by this program. */
function checkVariables(env: Environment): Observation {
  loadConfig(env, ['limits', 'database', 'providers', 'backupProject']);
  const misspelt = findMisspeltVariables(env, knownVariables());
  if (misspelt.length === 0) return ok('no misspelt variable of this program is set');
  const words = misspelt.map(({ name, meant }) => (meant === null ? name : `${name} (${meant}?)`));
  return warn(
    `set, but not read by this program: ${words.slice(0, MAX_NAMED).join(', ')}`,
    'Correct the name or remove the variable; .env.example has all names.',
  );
}

/** Throws `config` for an invalid policy. */
function checkRetention(env: Environment): Observation {
  const { keepLast, keepDaily, keepWeekly, keepMonthly } = retentionSettings(env);
  return ok(`keeps the last ${keepLast}, and ${keepDaily} daily, ${keepWeekly} weekly and ${keepMonthly} monthly`);
}

function accessSecret(env: Environment, variable: 'CRON_SECRET' | 'ADMIN_TOKEN', section: 'cron' | 'admin') {
  return { variable, value: env[variable] ?? '', problem: problemOfSection(env, section) };
}
