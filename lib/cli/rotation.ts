import { problemOfSection } from '../app/config.js';
import type { RedisPort } from '../ports/redis.js';
import { isSameDatabase } from '../redis/run-one.js';
import { connect, connectTarget } from '../app/connect.js';
import { AppError } from '../errors.js';
import type { RotationRequest } from '../rotation/model.js';
import { type RotationResult, type RotatedVariable, rotate, type RotatePorts } from '../rotation/rotate.js';
import type { Context } from './context.js';
import { finish } from './output/report-error.js';
import { assertCanPrompt, confirmTyped, DRY_RUN_FIRST } from './prompt.js';
import { facts, table } from './output/table.js';
import { loadConfig, loadTarget, wantsReplica, type Environment } from '../app/config.js';
import { otherMarkStore } from '../app/app.js';
import { storeEnvironment } from '../app/connect/stores.js';
import type { ObjectStore } from '../ports/store.js';
import { quoted } from '../restore/scope-words.js';
import { protectedDatabase } from '../app/connect/database.js';
import { shortSource } from '../snapshot/source.js';
import { assertNoUnfinishedRestore } from '../snapshot/unfinished-marks.js';
import { assertUsableDatabase } from '../rotation/health.js';

export interface RotationOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  /** False when --no-way-back is given. */
  readonly wayBack: boolean;
}

export type Wanted = Omit<RotationRequest, 'acceptNoWayBack'>;

/** Throws `usage` if the change has to be confirmed and there is no terminal. */
export function assertCanConfirm(options: RotationOptions): void {
  if (options.dryRun !== true && options.yes !== true) assertCanPrompt(DRY_RUN_FIRST);
}

/** Shows the plan, asks for confirmation, carries it out and prints the result. Returns the exit code. */
export async function carryOutRotation(
  context: Context,
  wanted: Wanted,
  options: RotationOptions,
  ports = rotationPorts(context),
): Promise<number> {
  const request = { ...wanted, acceptNoWayBack: !options.wayBack };
  const run = (given: RotationRequest, dryRun: boolean): Promise<RotationResult> =>
    rotate(ports, given, { dryRun, interrupt: context.interrupt });
  if (options.dryRun === true) return printResult(context, await run(request, true));
  if (options.yes === true) return printResult(context, await run(request, false));
  const planned = await run(request, true);
  context.note(`${rotationView(planned)}\n`);
  return printResult(
    context,
    await run({ ...request, acceptNoWayBack: await confirmRotation(context, planned) }, false),
  );
}

/** Connects every port. Throws `config` naming everything that is missing. */
export function rotationPorts({ env, log }: Context, replica = false): RotatePorts {
  return connect(storeEnvironment(env, replica), ['backend', 'clock', 'deployments', 'log', 'store', 'variables'], {
    log,
  });
}

/** Asks for confirmation. Returns whether a lost value is accepted, which needs more than a yes. Throws `not-confirmed`. */
async function confirmRotation(context: Context, { variables }: RotationResult): Promise<boolean> {
  const isLost = variables.some(({ action, wayBack }) => action !== 'keep' && !wayBack);
  const question = isLost
    ? 'A present value is not known and could not be put back. To continue, type no way back: '
    : 'To continue, type yes: ';
  await confirmTyped(context, question, isLost ? 'no way back' : 'yes');
  return isLost;
}

function printResult(context: Context, result: RotationResult): number {
  context.print(rotationView(result));
  const error = result.error ?? (result.backend === 'as-bad-as-before' ? backendDownError() : null);
  return finish(context, result, error);
}

function backendDownError(): AppError {
  return new AppError(
    'incomplete',
    'The new values are set, but the backend is not healthy; it was not healthy before either',
    {
      hint: 'Check the logs of the backend, and GET /health of BACKEND_URL.',
    },
  );
}

const OUTCOMES: Readonly<Record<RotationResult['outcome'], string>> = {
  planned: 'a dry run: nothing was changed',
  done: 'done',
  'rolled-back': 'rolled back: everything is as it was before',
  'half-changed': 'HALF CHANGED: the table shows the value of each variable',
  'broken-off': 'interrupted: the same command resumes it',
};

const VALUES = { old: 'the old value', new: 'the new value', unsure: 'old or new' } as const;
const PLANS = { set: 'gets the new value', create: 'is created', keep: 'already has the new value' } as const;

const DEPLOYMENTS = {
  none: 'unchanged',
  begun: 'building with the new value',
  ready: 'built with the new value',
  failed: 'failed, not in service',
} as const;

/** The result or plan of a rotation as text. */
function rotationView(result: RotationResult): string {
  const { backend, id, outcome, proof, resumed } = result;
  const head = facts([
    ['outcome', OUTCOMES[outcome]],
    ['rotation', id === null ? null : `${id}${resumed ? ', resumed' : ''}`],
    ['resumes', id === null && resumed ? 'an interrupted rotation' : null],
    ['new value', proof],
    ['backend', backend === 'not-asked' ? null : backend === 'healthy' ? 'healthy' : 'not healthy, as before'],
  ]);
  const rows = result.variables.map((one) => [
    one.project,
    one.variable,
    valueText(result, one),
    deploymentText(result, one),
  ]);
  return `${head}\n\n${table(['project', 'variable', 'value', 'deployment'], rows)}`;
}

function valueText({ outcome }: RotationResult, { action, has, wayBack }: RotatedVariable): string {
  const back = wayBack ? '' : ' (NO WAY BACK)';
  return (outcome === 'planned' ? PLANS[action] : VALUES[has]) + back;
}

function deploymentText({ deployments, outcome }: RotationResult, { project }: RotatedVariable): string {
  const deployment = deployments.find((one) => one.project === project);
  if (deployment === undefined) return '';
  if (outcome === 'planned') return `${deployment.from} is rebuilt`;
  if (outcome === 'done') return 'rebuilt, ready';
  const served = deployment.state === 'ready' || deployment.state === 'begun';
  if (outcome === 'rolled-back') return served ? 'rebuilt with the old value' : 'unchanged';
  return DEPLOYMENTS[deployment.state];
}

export interface SwitchOptions extends RotationOptions {
  readonly allowEmpty?: boolean;
  readonly allowUnfinished?: boolean;
  readonly replica?: boolean;
}

const URL_VARIABLE = 'UPSTASH_REDIS_REST_URL';
const TOKEN_VARIABLE = 'UPSTASH_REDIS_REST_TOKEN';

/** `switch`: points backend, dashboard and, if configured, the backup project to another database. */
export async function switchTo(context: Context, name: string, options: SwitchOptions): Promise<number> {
  assertCanConfirm(options);
  const ports = rotationPorts(context, options.replica);
  const exit = await carryOutRotation(context, switchRotation(context, name, options, ports.store), options, ports);
  if (exit === 0 && options.dryRun !== true) {
    context.note(`Also set ${URL_VARIABLE} and ${TOKEN_VARIABLE} in your own environment to those of ${name}.`);
    if (options.replica === true)
      context.note(
        'If the first store is lost, also set BACKUP_STORE and the S3_* variables to those of the second store.',
      );
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

function switchRotation({ env, log }: Context, name: string, options: SwitchOptions, store: ObjectStore): Wanted {
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
      const stores = { store, marksElsewhere: otherMarkStore(env, log, options.replica) };
      if (options.allowUnfinished !== true)
        await assertNoUnfinishedRestore(stores, redis.host).catch((error: unknown) => {
          throw options.replica !== true && wantsReplica(env) ? withReplicaHint(error, name) : error;
        });
      const words = await assertUsableDatabase(redis, name, options.allowEmpty === true);
      await assertAnother(env, redis, name);
      return words;
    },
  };
}

/** The error of a first store that is away, with the command that uses the second one. */
function withReplicaHint(error: unknown, name: string): unknown {
  if (!(error instanceof AppError) || error.code !== 'store-unavailable') return error;
  const { code, message } = error;
  const command = `npx soulcaster-backup switch ${quoted(name)} --replica --dry-run --env-file .env`;
  return new AppError(code, message, { hint: `${error.hint} If the store is lost: \`${command}\`.`, cause: error });
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
