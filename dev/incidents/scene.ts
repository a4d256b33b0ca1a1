import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../../lib/cli/context.js';
import type { Rehearsal, Stack } from '../stack/index.js';
import { connect } from '../../lib/app/connect.js';
import { protectedDatabase } from '../../lib/app/connect/database.js';
import { testAlerts } from '../../lib/cli/alerts.js';
import { backup } from '../../lib/cli/backup.js';
import { drill, replicate } from '../../lib/cli/upkeep.js';
import { status } from '../../lib/cli/status.js';
import { AppError } from '../../lib/errors.js';
import { readState } from '../../lib/monitoring/state.js';
import type { StatusReport } from '../../lib/monitoring/status/report.js';
import { loadWorkspace } from '../data/index.js';
import { countKeys } from '../demo/damage.js';

/** The setting of an incident: a running stack with its surroundings, and the operator's variables. */
export interface Scene {
  readonly stack: Stack & { readonly rehearsal: Rehearsal };
  /** The context of an operator's command now; it prints nothing. */
  readonly context: () => Promise<Context>;
}

export interface Incident {
  readonly name: string;
  /** What has happened, which the operator does not know yet. */
  readonly title: string;
  /** The heading of the section of docs/operations.md that resolves the incident. */
  readonly section: string;
  /** What an operator sees first. */
  readonly sees: string;
  /** Whether the incident needs a bucket: `dev --s3`. */
  readonly needsS3?: boolean;
  readonly begin: (scene: Scene) => Promise<IncidentOutcome>;
}

export interface IncidentOutcome {
  /** Shell variables for the commands of the section. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Repairs what no command of the operator repairs. */
  readonly mend?: { readonly words: string; readonly end: () => Promise<void> };
}

const DATA = { projects: 2, items: 40, seed: 15 };

/** The JSON document of `status`. */
export async function statusOf(context: Context): Promise<StatusReport> {
  const documents: unknown[] = [];
  await status({ ...context, document: (value) => void documents.push(value) });
  return documents[0] as StatusReport;
}

/** Why the status is not ok. */
export function reasonsOf({ recoverable, recoveryTime, services, watched }: StatusReport): string[] {
  return [recoverable, recoveryTime, watched, services].flatMap(({ reasons }) => reasons);
}

/** Lets both schedulers call the guard, as the platforms do, and waits until the state records the calls. */
export async function fireSchedulers({ context, stack }: Scene): Promise<void> {
  const { env } = await context();
  const heard = async (): Promise<string | null> => {
    const state = await readState(connect(env, ['store']).store, protectedDatabase(env).source);
    return state.callers.schedule?.lastAt ?? null;
  };
  const before = await heard();
  await stack.functions.fireCron('/api/cron/guard');
  const [schedule] = stack.queue.schedules();
  const isFired = schedule !== undefined && stack.queue.fireSchedule(String(schedule['scheduleId']));
  // Waits at most 60 s: the status reports a guard that fails.
  for (let tries = 0; isFired && tries < 240 && (await heard()) === before; tries++) await delay(250);
}

/** Creates what a deployment has after its first day. Throws `usage` when the status is not ok afterwards. */
export async function makeHealthy(scene: Scene): Promise<void> {
  const context = await scene.context();
  if ((await statusOf(context)).state === 'ok') return;
  const { redis } = connect(context.env, ['redis']);
  if ((await countKeys(redis)) === 0) await loadWorkspace({ redisUrl: scene.stack.urls.redis, ...DATA });
  await backup(context, { local: true });
  await replicate(context, {});
  await drill(context, { local: true });
  await testAlerts(context);
  await fireSchedulers(scene);
  const report = await statusOf(context);
  if (report.state === 'ok') return;
  throw new AppError('usage', `The status is not ok before the incident: ${reasonsOf(report).join('; ')}`, {
    hint: 'Fix that first, or start over: stop the stack, rm -r .local, and start it again.',
  });
}
