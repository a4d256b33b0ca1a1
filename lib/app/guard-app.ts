import { fullApp, type FullApp } from './app.js';
import { problemOfSection, wantsReplica, type Environment } from './config.js';
import { protectedDatabase } from './connect/database.js';
import { connect, connectSchedules, functionLog, guardScheduleOf, type Replacements } from './connect.js';
import { connectReplica } from './connect/stores.js';
import { toAppError } from '../errors.js';
import { answersAtPublicUrl, checkGroups } from './checks.js';
import { notify } from '../monitoring/alerts/notify.js';
import { withDeadline } from '../monitoring/deadline.js';
import { afterRun, pingWatchdog, type EvaluationContext, type GuardPorts } from '../monitoring/evaluate.js';
import { storeAwayMessage } from '../monitoring/alerts/store-away.js';
import type { GuardParts } from '../monitoring/guard/parts.js';
import { upkeepStep, type UpkeepSettings } from '../monitoring/guard/steps.js';
import type { Caller, GuardState } from '../monitoring/state.js';
import type { Log, ObjectStore, Ports } from '../ports/index.js';
import { drills } from '../restore/drill/record.js';
import { startDrill } from '../restore/drill/run.js';
import { alertRules, retentionSettings } from './settings.js';

/** The program for functions: whenever a run ends, it evaluates the alerts and sends messages. */
export function alertingApp(env: Environment, replacements: Replacements = {}): FullApp {
  const app: FullApp = fullApp(env, replacements, (run) => afterRun(evaluationContextOf(env, app.ports), run));
  return app;
}

/** The context in which alerts and objectives are evaluated. */
export function evaluationContextOf(
  env: Environment,
  given: Pick<Ports, 'clock' | 'log' | 'signer' | 'store'> & Partial<Pick<Ports, 'queue'>>,
): EvaluationContext {
  const { clock, log, queue, signer, store } = given;
  const own = protectedDatabase(env).source;
  const ports = { clock, log, own, signer, store, ...connectChannels(env, log) };
  const storeAway: GuardPorts['storeAway'] = (at, told) =>
    queue?.publish([storeAwayMessage(at, told)]) ?? Promise.resolve();
  return {
    ports: { ...ports, storeAway },
    drills: () => drills(store, own),
    ...alertRules(env),
  };
}

/**
 * The alerter and the heartbeat. An invalid address disables only its own channel, not the nightly backup or the other channel;
 * the guard's checks report it.
 */
function connectChannels(env: Environment, log: Log): Pick<Ports, 'alerter' | 'heartbeat'> {
  const envIfValid = (section: 'alerts' | 'heartbeat'): Environment => {
    const problem = problemOfSection(env, section);
    if (problem === null) return env;
    log.error(`${section}-not-configured`, { code: problem.code, message: problem.message });
    return {};
  };
  return { ...connect(envIfValid('alerts'), ['alerter']), ...connect(envIfValid('heartbeat'), ['heartbeat']) };
}

/** How long a cron's caller waits at most for the report to be sent, in milliseconds. */
const REPORT_LIMIT_MS = 20_000;

/**
 * Reports a configuration with which neither backup nor guard can start: opens the alert, records the failure in the guard's
 * state, and sends a failed heartbeat. The next guard run that starts ends the alert and the record. Throws nothing.
 */
export async function reportUnusableConfiguration(env: Environment, cause: unknown): Promise<void> {
  const { code, hint, message } = toAppError(cause);
  const log = functionLog();
  const { clock } = connect(env, ['clock']);
  const { alerter, heartbeat } = connectChannels(env, log);
  const words = { message: `Neither backup nor guard can run: ${message}`, hint: `${hint} ${REPAIR_HINT}` };
  const conditions = [{ code: 'guard-failed', subject: CONFIGURATION, ...words } as const];
  const at = new Date(clock.now()).toISOString();
  const note = (state: GuardState): GuardState => ({
    ...state,
    outcome: 'failed',
    steps: [{ name: CONFIGURATION, state: 'failed', summary: {}, error: { code, ...words } }],
    services: withConfigurationFailure(state.services, at, words),
  });
  const own = protectedDatabase({ ...env, BACKUP_LABEL: '' }).source;
  const ports = { alerter, clock, log, own, store: storeOrFailing(env, log, cause) };
  await withDeadline(clock, clock.now() + REPORT_LIMIT_MS, async () => {
    await pingWatchdog({ clock, heartbeat, log }, 'fail');
    await notify(ports, { conditions, evaluated: new Set() }, note);
  }).catch((error: unknown) => log.warn('not-told', { code: toAppError(error).code }));
}

const CONFIGURATION = 'configuration';
const REPAIR_HINT =
  'Try it with `npx soulcaster-backup doctor --env-file .env`, then deploy again: `npx soulcaster-backup deploy --env-file .env`.';

function withConfigurationFailure(
  services: GuardState['services'],
  at: string,
  { hint, message: reason }: Record<'hint' | 'message', string>,
): GuardState['services'] {
  const before = services.find(({ name }) => name === CONFIGURATION);
  const since = before?.state === 'not-ok' ? before.since : at;
  const record = {
    name: CONFIGURATION,
    state: 'not-ok',
    since,
    checkedAt: at,
    by: 'guard',
    check: CONFIGURATION,
  } as const;
  return [...services.filter(({ name }) => name !== CONFIGURATION), { ...record, reason, hint }];
}

/** The store or, if it cannot be opened, a store that always fails with `cause`: alerts are then sent without a state. */
function storeOrFailing(env: Environment, log: Log, cause: unknown): ObjectStore {
  try {
    return connect(env, ['store'], { log }).store;
  } catch {
    const refuse = (): Promise<never> => Promise.reject(toAppError(cause));
    const none = (): never => {
      throw toAppError(cause);
    };
    return { read: refuse, create: refuse, swap: refuse, remove: refuse, list: none, folders: none };
  }
}

/** Everything that the guard works on. */
export function guardParts(env: Environment, app: FullApp, caller: Caller): GuardParts {
  const { engine, ports, queued, times } = app;
  return {
    ...evaluationContextOf(env, ports),
    ...(ports.marksElsewhere === undefined ? {} : { marksElsewhere: ports.marksElsewhere }),
    caller,
    engine,
    work: (id, budget) => app.work(id, budget),
    queued,
    times,
    startDrill: () => startDrill(ports, engine, 'guard'),
    checks: checkGroups(env, ports.clock, true),
    schedule: scheduleOf(env),
    upkeep: (budget) =>
      upkeepStep({ ...ports, own: protectedDatabase(env).source }, upkeepSettings(env, ports.log), budget),
  };
}

function scheduleOf(env: Environment): GuardParts['schedule'] {
  const wanted = guardScheduleOf(env);
  return wanted === null ? null : { open: () => connectSchedules(env), wanted, answers: () => answersAtPublicUrl(env) };
}

/** The retention policy, and the store to replicate to. */
export function upkeepSettings(env: Environment, log: Log): UpkeepSettings {
  return {
    settings: () => retentionSettings(env),
    replica: () => (wantsReplica(env) ? connectReplica(env, log) : null),
  };
}
