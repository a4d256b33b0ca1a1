import { loadConfig, loadTarget, problemOfSection, type Environment } from '../app/config.js';
import { connect, connectTarget } from '../app/connect.js';
import { protectedDatabase } from '../app/connect/database.js';
import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import { isSameDatabase } from '../redis/run-one.js';
import { shortSource } from '../snapshot/source.js';
import { assertNoUnfinishedRestore } from '../snapshot/unfinished-marks.js';
import { assertUsableDatabase } from '../rotation/health.js';
import type { Context } from './context.js';
import {
  carryOutRotation,
  assertCanConfirm,
  rotationPorts,
  type RotationOptions,
  type Wanted,
} from './rotate/carry-out.js';

export interface SwitchOptions extends RotationOptions {
  readonly allowEmpty?: boolean;
  readonly allowUnfinished?: boolean;
}

const URL_VARIABLE = 'UPSTASH_REDIS_REST_URL';
const TOKEN_VARIABLE = 'UPSTASH_REDIS_REST_TOKEN';

/** `switch`: points backend, dashboard and, if configured, the backup project to another database. */
export async function switchTo(context: Context, name: string, options: SwitchOptions): Promise<number> {
  assertCanConfirm(options);
  rotationPorts(context);
  const exit = await carryOutRotation(context, switchRotation(context, name, options), options);
  if (exit === 0 && options.dryRun !== true) {
    context.note(`Also set ${URL_VARIABLE} and ${TOKEN_VARIABLE} in your own environment to those of ${name}.`);
    const { source } = protectedDatabase(context.env);
    if (source !== null) context.note(adoptHint(source));
  }
  return exit;
}

/** Until the old host is adopted, no existing snapshot is `latest`: they belong to the old host. */
function adoptHint(source: string): string {
  const command = `npx soulcaster-backup snapshots adopt ${shortSource(source)} --reason "switched" --env-file .env`;
  return `Then adopt the old host once, so that its snapshots count for the new database: ${command}`;
}

function switchRotation({ env, log }: Context, name: string, options: SwitchOptions): Wanted {
  const target = loadTarget(env, name);
  const redis = connectTarget(env, name);
  const values = [
    { variable: URL_VARIABLE, value: target.url },
    { variable: TOKEN_VARIABLE, value: target.token },
  ];
  return {
    purpose: `switch ${name.toLowerCase()}`,
    changes: projectsOf(env).flatMap((project) => values.map((one) => ({ project, ...one }))),
    // The protected database is the application's, so its variables hold the present values.
    oldValues: [URL_VARIABLE, TOKEN_VARIABLE].flatMap((variable) => {
      const value = env[variable] ?? '';
      return value === '' ? [] : [{ variable, value }];
    }),
    candidates: [],
    prove: async () => {
      if (options.allowUnfinished !== true)
        await assertNoUnfinishedRestore(connect(env, ['store'], { log }).store, redis.host);
      const words = await assertUsableDatabase(redis, options.allowEmpty === true);
      await assertAnother(env, redis, name);
      return words;
    },
  };
}

/** Throws `usage` for the database that the application uses already, by another name. It cannot be checked while that is down. */
async function assertAnother(env: Environment, redis: RedisPort, name: string): Promise<void> {
  const own = problemOfSection(env, 'redis') === null ? connect(env, ['redis'], { impatient: true }).redis : null;
  // By the same name: the operator's own variables have been changed already, and the switch is repeated.
  if (own === null || own.host === redis.host || !(await isSameDatabase(redis, own))) return;
  throw new AppError(
    'usage',
    `Target ${name} is the database that the application uses, by another name: ${redis.host}`,
    {
      hint: 'Nothing was changed. Set the variables of the target to another database; `npx soulcaster-backup doctor --env-file .env` checks them.',
    },
  );
}

function projectsOf(env: Environment): string[] {
  const { backendProject, backupProject, dashboardProject } = loadConfig(env, [
    'backendProject',
    'dashboardProject',
    'backupProject',
  ]);
  const names = [
    backendProject.SOULCASTER_BACKEND_PROJECT,
    dashboardProject.SOULCASTER_DASHBOARD_PROJECT,
    backupProject.SOULCASTER_BACKUP_PROJECT ?? '',
  ];
  return [...new Set(names.filter((name) => name !== ''))];
}
