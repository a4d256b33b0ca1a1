import { fullApp, type FullApp } from './app.js';
import { hasTarget, type Environment } from './config.js';
import { connect, type Replacements } from './connect.js';
import { checkGroups } from './cli/doctor-checks.js';
import { noJob, type GuardParts, type Judging } from './guard/guard/parts.js';
import { afterRun } from './guard/watch.js';
import type { Ports } from './ports/index.js';
import { drills } from './restore/drill/record.js';
import { DRILL_TARGET, startDrill } from './restore/drill/run.js';

/** The program for functions: it looks, judges and tells whenever a run has ended. */
export function watchedApp(env: Environment, replacements: Replacements = {}): FullApp {
  const app: FullApp = fullApp(env, replacements, (run) => afterRun(judgingOf(env, app.ports), run));
  return app;
}

/** What alerts and objectives are judged by, here. */
export function judgingOf(env: Environment, { clock, log, store }: Pick<Ports, 'clock' | 'log' | 'store'>): Judging {
  const ports = { clock, log, store, ...connect(env, ['alerter', 'heartbeat']) };
  return { ports, drills: () => drills(store), hasScratch: hasTarget(env, DRILL_TARGET) };
}

/** All that the guard looks after, here. */
export function guardParts(env: Environment, app: FullApp): GuardParts {
  const { engine, ports, queued, times, work } = app;
  return {
    ...judgingOf(env, ports),
    engine,
    work,
    queued,
    times,
    startDrill: () => startDrill(ports, engine),
    checks: checkGroups(env, ports.clock),
    replicate: noJob,
    prune: noJob,
  };
}
