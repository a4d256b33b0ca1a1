import { fullApp, type FullApp } from './app.js';
import { problemOfSection, wantsReplica, type Environment } from './config.js';
import { protectedDatabase } from './connect/database.js';
import { connect, connectReplica, type Replacements } from './connect.js';
import { checkGroups } from './checks.js';
import type { GuardParts, Judging } from './guard/guard/parts.js';
import { upkeepStep, type UpkeepSettings } from './guard/guard/upkeep-step.js';
import { afterRun } from './guard/watch.js';
import type { Log, Ports } from './ports/index.js';
import { drills } from './restore/drill/record.js';
import { startDrill } from './restore/drill/run.js';
import { alertRules, retentionSettings } from './settings.js';

/** The program for functions: it looks, judges and tells whenever a run has ended. */
export function watchedApp(env: Environment, replacements: Replacements = {}): FullApp {
  const app: FullApp = fullApp(env, replacements, (run) => afterRun(judgingOf(env, app.ports), run));
  return app;
}

/** What alerts and objectives are judged by, here. */
export function judgingOf(env: Environment, given: Pick<Ports, 'clock' | 'log' | 'signer' | 'store'>): Judging {
  const { clock, log, signer, store } = given;
  // An address that is none must not keep the night's backup from running; the guard's checks tell of it.
  const problem = problemOfSection(env, 'alerts');
  if (problem !== null) log.error('alerts-not-configured', { code: problem.code, message: problem.message });
  const own = protectedDatabase(env).source;
  const ports = { clock, log, own, signer, store, ...connect(problem === null ? env : {}, ['alerter', 'heartbeat']) };
  return {
    ports,
    drills: () => drills(store),
    ...alertRules(env),
  };
}

/** All that the guard looks after, here. */
export function guardParts(env: Environment, app: FullApp): GuardParts {
  const { engine, ports, queued, times } = app;
  return {
    ...judgingOf(env, ports),
    engine,
    work: (id, budget) => app.work(id, budget),
    queued,
    times,
    startDrill: () => startDrill(ports, engine),
    checks: checkGroups(env, ports.clock, true),
    upkeep: (budget) =>
      upkeepStep({ ...ports, own: protectedDatabase(env).source }, upkeepSettings(env, ports.log), budget),
  };
}

/** What is pruned by, and where to replicate to. */
export function upkeepSettings(env: Environment, log: Log): UpkeepSettings {
  return {
    settings: () => retentionSettings(env),
    replica: () => (wantsReplica(env) ? connectReplica(env, log) : null),
  };
}
