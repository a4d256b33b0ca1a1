import { knownVariables, loadConfig, problemOfSection, targetNames, type Environment, type Section } from './config.js';
import { misspeltVariables } from './config/names.js';
import {
  connect,
  connectAlertHost,
  connectSchedules,
  connectTarget,
  connectTaskEndpoint,
  guardScheduleOf,
} from './connect.js';
import { connectNextIndex } from './connect/indexes.js';
import { protectedDatabase } from './connect/database.js';
import { connectPlainReplica, connectPlainStore, sharesBucket } from './connect/stores.js';
import type { Condition } from '../monitoring/alerts/condition.js';
import { loadIndexCondition } from '../monitoring/alerts/from-index.js';
import { publicUrlChecks, secretChecks, encryptionChecks, signatureChecks } from '../health/checks/keys.js';
import {
  operatorDrillCheck,
  alertChecks,
  heartbeatChecks,
  scheduleCheck,
  schedulerChecks,
} from '../monitoring/checks.js';
import { accountChecks, hostingChecks } from '../health/checks/accounts.js';
import { sendTestAlert } from '../monitoring/alerts/test-message.js';
import { EMBEDDER_KEYS } from '../services/embedders.js';
import { promiseChecks } from '../health/checks/promises.js';
import { providerChecks } from '../health/checks/providers.js';
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
import { drillHistory, lastVerdict, type DrillView } from '../monitoring/drill-view.js';
import { drills } from '../restore/drill/record.js';
import { readState, type GuardState } from '../monitoring/state.js';
import { apartCheck, storeChecks } from '../health/checks/store.js';
import { storedExpiry } from '../health/credentials/expiry.js';
import { githubAppChecks, type AppCheck } from '../health/credentials/github-app.js';
import { githubTokenChecks, type TokenCheck } from '../health/credentials/github-token.js';
import {
  notConfigured,
  notConfiguredButNeeded,
  ok,
  warn,
  type CheckGroup,
  type Observation,
} from '../health/doctor.js';
import type { Clock, Log, RedisPort } from '../ports/index.js';
import { PROVIDERS, type Provider } from '../ports/provider-status.js';
import { dimensionsOf } from './live-services.js';
import { alertRules, configuredIndex, retentionSettings } from './settings.js';

/** A check itself says what the log would. */
const QUIET: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const TELLING = ['alerter', 'clock', 'log', 'store'] as const;
/** This many misspelt variables are named. */
const MOST_NAMED = 10;

/** One group of checks for every service there may be; what is not configured at all is told as such. `unattended`: for the guard. */
export function checkGroups(env: Environment, clock: Clock, unattended = false): CheckGroup[] {
  const { group, needed } = groupsOf(env);
  const wayBack = { url: (env['PUBLIC_URL'] ?? '').replace(/\/$/, ''), endpoint: () => connectTaskEndpoint(env) };
  const isSet = (name: string): boolean => (env[name] ?? '') !== '';
  const lacksFile = !unattended && isSet('BACKUP_AGE_IDENTITY_FILE') && !isSet('BACKUP_AGE_IDENTITY');
  return [
    ...promiseChecks(isSet, EMBEDDER_KEYS),
    [{ name: 'variables', run: () => Promise.resolve(variablesOf(env)) }],
    needed('redis', ['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN'], 'not set: no snapshot can be taken', () =>
      redisChecks(() => connect(env, ['redis']).redis, clock, true),
    ),
    needed('store', ['BACKUP_STORE'], 'BACKUP_STORE is not set: there is nowhere to keep snapshots', () =>
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
    [{ name: 'retention', run: () => Promise.resolve(policyOf(env)) }],
    group('queue', ['QSTASH_TOKEN'], 'QSTASH_TOKEN is not set: runs end with the process that started them', () => [
      ...queueChecks(() => connect(env, ['queue']).queue),
      // No message over the queue for the guard: its schedule is one.
      ...(unattended
        ? [wayBackCheck(wayBack)]
        : wayBackChecks({
            ...wayBack,
            queue: () => connect(env, ['queue']).queue,
            store: () => connect(env, ['store']).store,
            clock,
          })),
      // The guard makes it in a step of its turn.
      ...(unattended ? [] : scheduleChecks(env)),
    ]),
    ...(unattended
      ? []
      : schedulerChecks(
          alertRules(env).schedulers,
          () => guardState(env),
          () => clock.now(),
        )),
    group(
      'encryption',
      ['BACKUP_AGE_RECIPIENTS', 'BACKUP_AGE_IDENTITY'],
      'no recipients: snapshots are not encrypted',
      () => encryptionChecks(() => connect(env, ['encryptor']).encryptor, lacksFile),
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
    group('alerts', ['ALERT_WEBHOOK_URL'], 'ALERT_WEBHOOK_URL is not set: nobody is told when something is wrong', () =>
      alertChecks({
        open: () => ({ ...connectAlertHost(env), address: connect(env, ['alerter']).alerter.address }),
        last: async () => (await guardState(env))?.delivery ?? null,
        test: () => sendTestAlert({ ...connect(env, TELLING, { log: QUIET }), own: databaseOf(env).source }),
        now: () => clock.now(),
      }),
    ),
    group('heartbeat', ['HEARTBEAT_URL'], 'HEARTBEAT_URL is not set: nobody notices when nothing runs', () =>
      heartbeatChecks(() => connect(env, ['heartbeat']).heartbeat),
    ),
    ...serviceGroups(env, clock, unattended),
    ...credentialGroups(env, clock),
  ];
}

/** What restores and re-indexes use beside database and store. */
function serviceGroups(env: Environment, clock: Clock, unattended: boolean): CheckGroup[] {
  const { group } = groupsOf(env);
  const nextNames = ['UPSTASH_VECTOR_NEXT_REST_URL', 'UPSTASH_VECTOR_NEXT_REST_TOKEN'];
  const vectorNames = ['UPSTASH_VECTOR_REST_URL', 'UPSTASH_VECTOR_REST_TOKEN'];
  return [
    group('index', vectorNames, 'not set: vectors are not rebuilt', () =>
      indexChecks(() => connect(env, ['vectors']).vectors, {
        dimensions: () => dimensionsOf(env),
        other: () => otherModel(env),
        writes: true,
      }),
    ),
    ...(nextNames.some((name) => (env[name] ?? '') !== '')
      ? [nextIndexCheck(() => connectNextIndex(env), usedIndex(env))]
      : []),
    group('embedder', EMBEDDER_KEYS, `${EMBEDDER_KEYS.join(' or ')} is not set: vectors are not rebuilt`, () =>
      embedderChecks(() => connect(env, ['embedder']).embedder),
    ),
    group('drill', ['DRILL_REDIS_REST_URL', 'DRILL_REDIS_REST_TOKEN'], 'not set: no restore is rehearsed', () =>
      scratchCheck(
        'drill',
        () => connectTarget(env, 'drill'),
        () => primaryOf(env),
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
        () => primaryOf(env),
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

const PROJECTS = ['SOULCASTER_BACKUP_PROJECT', 'SOULCASTER_BACKEND_PROJECT', 'SOULCASTER_DASHBOARD_PROJECT'];

/** What an operator's machine holds to act on the accounts. */
function accountGroups(env: Environment): CheckGroup[] {
  const { group } = groupsOf(env);
  const named = PROJECTS.flatMap((variable): [string, string][] => {
    const project = env[variable] ?? '';
    return project === '' ? [] : [[variable, project]];
  });
  return [
    group('vercel', ['VERCEL_API_TOKEN'], 'VERCEL_API_TOKEN is not set: nothing is deployed or rotated from here', () =>
      hostingChecks(() => connect(env, ['projects', 'variables']), Object.fromEntries(named)),
    ),
    group(
      'upstash-account',
      ['UPSTASH_EMAIL', 'UPSTASH_API_KEY'],
      'UPSTASH_API_KEY is not set: Upstash’s own backups cannot be reached from here',
      () =>
        accountChecks(
          () => connect(env, ['account']).account,
          () => loadConfig(env, ['account']).account.UPSTASH_REDIS_ID,
          databaseOf(env).host,
        ),
    ),
  ];
}

async function lastDrillVerdict(env: Environment, clock: Clock): Promise<DrillView | null> {
  const { store } = connect(env, ['store']);
  return lastVerdict(await drillHistory(() => drills(store, databaseOf(env).source), 10), clock.now());
}

/** Null where the store cannot be asked: that is told by its own check. */
async function otherModel(env: Environment): Promise<Condition | null> {
  try {
    return await loadIndexCondition(connect(env, ['store']).store, configuredIndex(env));
  } catch {
    return null;
  }
}

/** The database that is backed up, asked once; null where it is not configured, or not well. */
function primaryOf(env: Environment): RedisPort | null {
  return problemOfSection(env, 'redis') === null ? connect(env, ['redis'], { impatient: true }).redis : null;
}

/** Which index the application uses; null where none is configured well. */
function usedIndex(env: Environment): string | null {
  return problemOfSection(env, 'vector') === null ? connect(env, ['vectors']).vectors.place.index : null;
}

/** A label that is refused has a check: it keeps none of the others from being made. */
const databaseOf = (env: Environment) => protectedDatabase({ ...env, BACKUP_LABEL: '' });

function scheduleChecks(env: Environment): CheckGroup {
  const wanted = guardScheduleOf(env);
  return wanted === null ? [] : [scheduleCheck(() => connectSchedules(env), wanted)];
}

/** Null where the store cannot be asked: that is told by its own check. */
async function guardState(env: Environment): Promise<GuardState | null> {
  try {
    return await readState(connect(env, ['store']).store, databaseOf(env).source);
  } catch {
    return null;
  }
}

/**
 * One group for every credential of the application that is watched here: GitHub's token and OAuth app. When a token ends
 * is noted in the store, if there is one: GitHub does not tell any more once it has ended.
 */
export function credentialGroups(env: Environment, clock: Clock): CheckGroup[] {
  const { group } = groupsOf(env);
  const github = () => connect(env, ['github']).github;
  const expiry = storedExpiry(() => connect(env, ['store']).store);
  return [
    group('github-token', ['GITHUB_TOKEN'], 'GITHUB_TOKEN is not set: that of the backend is not watched', () =>
      githubTokenChecks(github, { clock, expiry }, () => tokenCheck(env)),
    ),
    group('github-app', ['GITHUB_ID', 'GITHUB_SECRET'], 'GITHUB_ID is not set: the sign-in is not watched', () =>
      githubAppChecks(github, () => appCheck(env)),
    ),
  ];
}

/** What the providers that are used say of themselves: AWS where the bucket is there, Google where it embeds. */
export function statusPageGroups(env: Environment): CheckGroup[] {
  const isSet = (name: string): boolean => (env[name] ?? '') !== '';
  const onAws = (env['BACKUP_STORE'] ?? '').startsWith('s3://') && !isSet('S3_ENDPOINT');
  const onGoogle = isSet('GEMINI_API_KEY') && !isSet('GEMINI_BASE_URL');
  const unused: Provider[] = [...(onAws ? [] : ['aws' as const]), ...(onGoogle ? [] : ['google' as const])];
  const used = new Set(PROVIDERS.filter((provider) => !unused.includes(provider)));
  const region = isSet('S3_REGION') ? (env['S3_REGION'] ?? null) : null;
  return providerChecks({ status: connect(env, ['providers']).providers, used, region });
}

interface Groups {
  readonly needed: MakeGroup;
  readonly group: MakeGroup;
}

type MakeGroup = (name: string, variables: readonly string[], meaning: string, make: () => CheckGroup) => CheckGroup;

function groupsOf(env: Environment): Groups {
  const isSet = (name: string): boolean => (env[name] ?? '') !== '';
  return {
    needed: (name, variables, meaning, make) =>
      variables.some(isSet) ? make() : notConfiguredButNeeded(name, meaning),
    group: (name, variables, meaning, make) => (variables.some(isSet) ? make() : notConfigured(name, meaning)),
  };
}

/** Throws `config` for limits that cannot be; warns of variables that are set and that nothing reads. */
function variablesOf(env: Environment): Observation {
  loadConfig(env, ['limits', 'database', 'providers', 'backupProject']);
  const odd = misspeltVariables(env, knownVariables());
  if (odd.length === 0) return ok('no variable is set that looks like one of this program and is none');
  const words = odd.map(({ name, meant }) => (meant === null ? name : `${name} (${meant}?)`));
  return warn(
    `set, but read by nothing: ${words.slice(0, MOST_NAMED).join(', ')}`,
    'Correct the name or remove the variable; .env.example has all names.',
  );
}

/** Throws `config` for a policy that cannot be. */
function policyOf(env: Environment): Observation {
  const { keepLast, keepDaily, keepWeekly, keepMonthly } = retentionSettings(env);
  return ok(`keeps the last ${keepLast}, and of ${keepDaily} days, ${keepWeekly} weeks and ${keepMonthly} months`);
}

function tokenCheck(env: Environment): TokenCheck {
  const { GITHUB_CHECK_REPOS, GITHUB_TOKEN } = loadConfig(env, ['github']).github;
  return { token: GITHUB_TOKEN ?? '', repositories: GITHUB_CHECK_REPOS };
}

/** Throws `config` when half of the pair is missing. */
function appCheck(env: Environment): AppCheck {
  const { GITHUB_ID, GITHUB_SECRET } = loadConfig(env, ['github', 'githubApp']).githubApp;
  return { clientId: GITHUB_ID, clientSecret: GITHUB_SECRET };
}

function accessSecret(env: Environment, variable: 'CRON_SECRET' | 'ADMIN_TOKEN', section: Section) {
  return { variable, value: env[variable] ?? '', problem: problemOfSection(env, section) };
}
