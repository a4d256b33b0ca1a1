import { quoted } from '../restore/scope-words.js';
import { isSet, loadConfig, wantsQueue, wantsReplica, wantsTarget, type Environment } from '../app/config.js';
import { functionVariables, isFunctionVariable } from '../app/config/names.js';
import { answersAtPublicUrl } from '../app/checks.js';
import { connect, connectSchedules, guardScheduleOf } from '../app/connect.js';
import { alertRules } from '../app/settings.js';
import { AppError, exitCodeOf } from '../errors.js';
import { removeCommand } from '../health/checks/deployment.js';
import { costOfLacking } from '../health/checks/promises.js';
import { DRILL_CRON } from '../monitoring/checks.js';
import { ensureSchedule } from '../monitoring/schedulers.js';
import type { Deployment } from '../ports/hosting.js';
import { rebuildProduction, isStale, planVariables, setVariables, type VariablePlan } from '../setup/deploy.js';
import type { Context } from './context.js';
import { isSecretName } from './output/text.js';
import { assertCanPrompt, confirmTyped, DRY_RUN_FIRST } from './prompt.js';

interface DeployOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  /** Rebuild production although nothing has changed. */
  readonly rebuild?: boolean;
  /** Names of variables to remove from the project. */
  readonly remove?: readonly string[];
}

/** The result of one step of a deployment. */
interface StepResult {
  readonly step: string;
  readonly state: 'done' | 'failed' | 'skipped';
  readonly detail: string | null;
}

/**
 * `deploy`: variables, build, checks, the first snapshot and the first drill, in this order. Each step detects what is already
 * done, so that the command can be repeated at any time. Stops at the first step that fails. Exit 0 when all are done.
 */
export async function deploy(context: Context, options: DeployOptions): Promise<number> {
  const { env } = context;
  const { SOULCASTER_BACKUP_PROJECT: project } = loadConfig(env, [
    'hosting',
    'backupProject',
    'redis',
    'store',
  ]).backupProject;
  if (project === undefined) {
    throw new AppError('config', 'The configuration is not complete: SOULCASTER_BACKUP_PROJECT is missing', {
      hint: 'Set it to the Vercel project of this program, or let `npx soulcaster-backup init` find it.',
    });
  }
  if (options.dryRun !== true && options.yes !== true) assertCanPrompt(DRY_RUN_FIRST);
  const ports = connect(env, ['clock', 'deployments', 'variables']);
  const wanted = functionVariables(context.fileEnv ?? env);
  const remove = options.remove ?? [];
  assertRemovable(remove, wanted);
  const plan = await planVariables(ports, project, wanted, remove);
  const newest = await ports.deployments.newest(project);
  // A removal may have been interrupted before the build.
  const builds = newest !== null && (options.rebuild === true || remove.length > 0 || isStale(newest, plan));
  context.print(planView(project, plan, newest, builds));
  const shellOnly = Object.keys(functionVariables(env)).filter((name) => !(name in wanted));
  if (shellOnly.length > 0) {
    context.note(
      `warning: ${shellOnly.join(', ')} ${shellOnly.length === 1 ? 'is' : 'are'} set in this shell and not in the file of --env-file, so not deployed`,
    );
  }
  const onlyThere = plan.others.filter((name) => isFunctionVariable(name) && !remove.includes(name));
  if (onlyThere.length > 0) context.note(onlyThereWarning(onlyThere));
  const planned = {
    project,
    variables: variableDocuments(plan),
    others: plan.others,
    onlyThere,
    removed: plan.removed.map(({ name }) => name),
    builds,
  };
  if (options.dryRun === true) {
    context.document({ ...planned, dryRun: true, steps: [] });
    return 0;
  }
  const isChange = builds || plan.variables.some(({ action }) => action !== 'keep');
  if (options.yes !== true && isChange) await confirmTyped(context, confirmation(plan));
  await setVariables(ports, project, wanted, plan, isSecretName);
  if (newest === null)
    throw new AppError('hosting-refused', `The variables are set, but ${project} was never deployed`, {
      hint: `Deploy it once: npx vercel link --project ${project} && npx vercel deploy --prod. Then run the same command again.`,
    });
  const steps: StepResult[] = [{ step: 'variables', state: 'done', detail: null }];
  if (builds) {
    context.note(`Rebuilding ${project} ...`);
    const built = await rebuildProduction(ports, project, newest, context.interrupt);
    context.print(`Deployment ${built.id} is ready.`);
  }
  steps.push({ step: 'deployment', state: builds ? 'done' : 'skipped', detail: builds ? null : 'it is up to date' });
  const isDone = await runSteps(context, steps);
  context.document({ ...planned, dryRun: false, steps });
  return isDone ? 0 : 1;
}

/** Throws `usage` for a name that the functions do not read, or that the env file has: the next deployment would set it again. */
function assertRemovable(names: readonly string[], wanted: Readonly<Record<string, string>>): void {
  const unknown = names.find((name) => !isFunctionVariable(name));
  if (unknown !== undefined) {
    throw new AppError('usage', `${JSON.stringify(unknown)} is no variable of the functions`, {
      hint: 'Give a name that .env.example lists; `npx soulcaster-backup deploy --dry-run --env-file .env` names the variables that only the project has.',
    });
  }
  const wantedName = names.find((name) => name in wanted);
  if (wantedName === undefined) return;
  throw new AppError('usage', `${wantedName} is set in the env file, so it is not removed from the project`, {
    hint: 'Remove its line from the env file first.',
  });
}

function onlyThereWarning(names: readonly string[]): string {
  const are = names.length === 1 ? 'is' : 'are';
  return `warning: ${names.join(', ')} ${are} set in the Vercel project and not in the env file: the functions use ${names.length === 1 ? 'it' : 'them'}, and deploy, with or without --yes, removes only what --remove names. To remove: \`${removeCommand(names)}\``;
}

function confirmation({ removed }: VariablePlan): string {
  if (removed.length === 0) return 'To set these and deploy, type yes: ';
  const names = removed.map(({ name }) => name);
  const cost = costOfLacking(names);
  return `To remove ${names.join(', ')} from the functions${cost === null ? '' : ` (the cost: ${cost})`}, set the other variables and deploy, type yes: `;
}

interface Step {
  readonly name: string;
  /** Why the step is skipped; null to run it. */
  readonly skip: string | null;
  /** The command that repeats this step alone. */
  readonly command: string;
  readonly run: (context: Context) => Promise<number>;
}

/** The steps that prove that the deployment works, with the commands that an operator would type. */
function deploymentSteps(env: Environment): Step[] {
  // The functions have no identity, so a drill of encrypted snapshots runs in this process.
  const local = isSet(env, 'BACKUP_AGE_RECIPIENTS');
  const noIdentity = local && !isSet(env, 'BACKUP_AGE_IDENTITY');
  const skipUnless = (isConfigured: boolean, why: string): string | null => (isConfigured ? null : why);
  return [
    {
      name: 'schedule',
      skip: skipUnless(guardScheduleOf(env) !== null, 'there is no queue'),
      command: 'doctor',
      run: createSchedule,
    },
    {
      name: 'doctor',
      skip: null,
      command: 'doctor',
      run: async (context) => (await import('./doctor.js')).doctor(context, {}),
    },
    {
      name: 'doctor-deployment',
      skip: skipUnless(isSet(env, 'PUBLIC_URL'), 'PUBLIC_URL is not set'),
      command: 'doctor --deployment',
      run: async (context) => (await import('./doctor.js')).doctor(context, { deployment: true }),
    },
    {
      name: 'backup',
      skip: null,
      command: 'backup',
      run: async (context) => (await import('./backup.js')).backup(context, { local: !wantsQueue(env) }),
    },
    {
      name: 'verify',
      skip: null,
      command: 'verify latest --local',
      run: verifyLatest,
    },
    {
      name: 'replicate',
      skip: skipUnless(wantsReplica(env), 'there is no second store'),
      command: 'replicate',
      run: async (context) => (await import('./upkeep.js')).replicate(context, {}),
    },
    {
      name: 'drill',
      skip: noIdentity
        ? 'no age identity is set here to open a snapshot'
        : skipUnless(wantsTarget(env, 'drill'), 'there is no scratch database'),
      command: `drill${local ? ' --local' : ''}`,
      run: async (context) => (await import('./upkeep.js')).drill(context, { local }),
    },
    {
      name: 'alerts-test',
      skip: skipUnless(isSet(env, 'ALERT_WEBHOOK_URL'), 'there is no webhook'),
      command: 'alerts test',
      run: async (context) => (await import('./alerts.js')).testAlerts(context),
    },
    {
      name: 'guard',
      skip: null,
      command: 'guard',
      run: async (context) => (await import('./upkeep.js')).guardByHand(context, {}),
    },
  ];
}

/** Creates the guard's second scheduler, besides Vercel's cron. */
async function createSchedule(context: Context): Promise<number> {
  const wanted = guardScheduleOf(context.env);
  if (wanted === null) return 0;
  const answers = (): Promise<boolean> => answersAtPublicUrl(context.env);
  const outcome = await ensureSchedule(connectSchedules(context.env), wanted, answers);
  if (outcome === 'left-unchanged') {
    context.note(
      `warning: the schedule ${wanted.id} calls another address and is left unchanged: the functions do not answer at ${wanted.destination}`,
    );
    return 0;
  }
  context.print(`The queue calls ${wanted.destination} at "${wanted.cron}" UTC: ${outcome}.`);
  if (outcome === 'paused')
    context.note(`warning: the schedule ${wanted.id} is paused; resume it in the QStash console`);
  return 0;
}

async function runSteps(context: Context, results: StepResult[]): Promise<boolean> {
  for (const { command, name, run, skip } of deploymentSteps(context.env)) {
    if (skip !== null) {
      context.print(`\n${name}: skipped, because ${skip}`);
      results.push({ step: name, state: 'skipped', detail: skip });
      continue;
    }
    context.print(`\n${name}`);
    const exit = await run(withoutDocument(context));
    results.push({
      step: name,
      state: exit === 0 ? 'done' : 'failed',
      detail: exit === 0 ? null : `exit code ${exit}`,
    });
    if (exit === 0) continue;
    context.note(`error: deploy stopped at ${name} (exit code ${exit}); earlier steps remain done`);
    context.note(
      `hint: Fix the problem above, repeat this step with \`npx soulcaster-backup ${command} --env-file .env\`, then run deploy again.`,
    );
    return false;
  }
  const { status } = await import('./status.js');
  context.print('\nstatus');
  const isOk = (await status(withoutDocument(context))) === 0;
  results.push({ step: 'status', state: 'done', detail: isOk ? 'ok' : 'not ok yet' });
  if (!isOk)
    context.note(
      'The schedulers are shown as working after their first call: the queue within the hour, the cron at 14:00 UTC. Then: npx soulcaster-backup status --env-file .env',
    );
  if (alertRules(context.env).drilledBy === 'operator')
    context.note(
      `The functions have no age identity, so you have to run the weekly drill. Add this line to the crontab of a machine that has the identity: ${DRILL_CRON.replace('FOLDER', () => quoted(process.cwd()))}`,
    );
  return true;
}

/** The context without JSON output: `deploy` prints the only document. */
function withoutDocument(context: Context): Context {
  return { ...context, document: () => undefined };
}

const SIGNS = { create: '+', write: '~', keep: ' ' } as const;

function planView(project: string, plan: VariablePlan, newest: Deployment | null, builds: boolean): string {
  const changed = plan.variables.filter(({ action }) => action !== 'keep');
  const kept = plan.variables.length - changed.length;
  const others = plan.others.filter((name) => !plan.removed.some((each) => each.name === name));
  const lines = changed.map(
    ({ action, name }) => `  ${SIGNS[action]} ${name}${isSecretName(name) ? ' (sensitive)' : ''}`,
  );
  const build = newest === null ? 'it was never deployed' : builds ? `${newest.id} is rebuilt` : 'it is up to date';
  return [
    `Vercel project ${project}: ${changed.length} variables to set, ${kept} unchanged${plan.removed.length === 0 ? '' : `, ${plan.removed.length} to remove`}; ${build}.`,
    ...lines,
    ...plan.removed.map(({ name }) => `  - ${name}`),
    ...(others.length === 0 ? [] : [`  not in the env file, left unchanged: ${others.join(', ')}`]),
  ].join('\n');
}

const variableDocuments = (plan: VariablePlan) =>
  plan.variables.map(({ action, name }) => ({ name, action, sensitive: isSecretName(name) }));

/** Verifies `latest`. Other snapshots that are missing or altered are reported, but do not stop the deployment: they have an alert. */
async function verifyLatest(context: Context): Promise<number> {
  const { verifySnapshot } = await import('./backup.js');
  const error = await verifySnapshot(context, 'latest', { local: true });
  return error === null || error.code === 'chain-broken' ? 0 : exitCodeOf(error.code);
}
