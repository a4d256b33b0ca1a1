import { quoted } from '../restore/scope-words.js';
import { loadConfig, wantsQueue, wantsReplica, wantsTarget, type Environment } from '../app/config.js';
import { functionVariables } from '../app/config/names.js';
import { connect, connectSchedules, guardScheduleOf } from '../app/connect.js';
import { alertRules } from '../app/settings.js';
import { AppError, exitCodeOf } from '../errors.js';
import { DRILL_CRON } from '../monitoring/checks.js';
import { ensureSchedule } from '../monitoring/schedulers.js';
import type { Deployment } from '../ports/hosting.js';
import { rebuildProduction, isStale, planVariables, setVariables, type VariablePlan } from '../setup/deploy.js';
import type { Context } from './context.js';
import { isSecretName } from './output/redact.js';
import { prompt, canPrompt } from './prompt.js';

export interface DeployOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  /** Build production again although nothing of it has changed. */
  readonly rebuild?: boolean;
}

/** One step of a deployment, as it ended. */
interface StepResult {
  readonly step: string;
  readonly state: 'done' | 'failed' | 'skipped';
  readonly detail: string | null;
}

/**
 * `deploy`: variables, build, checks, the first snapshot and the first drill, in this order. Each step sees what is there
 * already, so that the command can be run again at any time. Ends at the first step that fails. Exit 0 when all were done.
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
      hint: 'Set it to the Vercel project of this program, or let it be found: npx soulcaster-backup init',
    });
  }
  if (options.dryRun !== true && options.yes !== true && !canPrompt()) {
    throw new AppError('usage', 'Nobody is here to confirm the change: this is no terminal', {
      hint: 'Look at what it would do with --dry-run, then give --yes.',
    });
  }
  const ports = connect(env, ['clock', 'deployments', 'variables']);
  const wanted = functionVariables(env);
  const plan = await planVariables(ports, project, wanted);
  const newest = await ports.deployments.newest(project);
  const builds = newest !== null && (options.rebuild === true || isStale(newest, plan));
  context.print(planView(project, plan, newest, builds));
  if (options.dryRun === true) {
    context.document({ project, dryRun: true, variables: shown(plan), others: plan.others, builds, steps: [] });
    return 0;
  }
  await demandConsent(context, options, plan, builds);
  await setVariables(ports, project, wanted, plan, isSecretName);
  if (newest === null) throw neverDeployed(project);
  const steps: StepResult[] = [{ step: 'variables', state: 'done', detail: null }];
  if (builds) {
    context.note(`${project} is built again ...`);
    const built = await rebuildProduction(ports, project, newest, context.interrupt);
    context.print(`Deployment ${built.id} serves.`);
  }
  steps.push({ step: 'deployment', state: builds ? 'done' : 'skipped', detail: builds ? null : 'it is up to date' });
  const isDone = await followUp(context, steps);
  context.document({ project, dryRun: false, variables: shown(plan), others: plan.others, builds, steps });
  return isDone ? 0 : 1;
}

interface Step {
  readonly name: string;
  /** Why it is not done; null to do it. */
  readonly skip: string | null;
  /** The command that does it again alone. */
  readonly command: string;
  readonly run: (context: Context) => Promise<number>;
}

/** Everything that shows that the deployment works, by the very commands an operator would type. */
function stepsAfter(env: Environment): Step[] {
  const isSet = (name: string): boolean => (env[name] ?? '') !== '';
  // Functions have no identity: what they cannot open is restored here.
  const local = isSet('BACKUP_AGE_RECIPIENTS');
  const noIdentity = local && !isSet('BACKUP_AGE_IDENTITY');
  const unless = (has: boolean, why: string): string | null => (has ? null : why);
  return [
    {
      name: 'schedule',
      skip: guardScheduleOf(env) === null ? 'there is no queue' : null,
      command: 'doctor',
      run: makeSchedule,
    },
    {
      name: 'doctor',
      skip: null,
      command: 'doctor',
      run: async (context) => (await import('./doctor.js')).doctor(context, {}),
    },
    {
      name: 'doctor-deployment',
      skip: (env['PUBLIC_URL'] ?? '') === '' ? 'PUBLIC_URL is not set' : null,
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
      skip: unless(wantsReplica(env), 'there is no second store'),
      command: 'replicate',
      run: async (context) => (await import('./replicate.js')).replicate(context, {}),
    },
    {
      name: 'drill',
      skip: noIdentity
        ? 'no identity is here to open a snapshot'
        : unless(wantsTarget(env, 'drill'), 'there is no scratch database'),
      command: `drill${local ? ' --local' : ''}`,
      run: async (context) => (await import('./drill.js')).drill(context, { local }),
    },
    {
      name: 'alerts-test',
      skip: unless(isSet('ALERT_WEBHOOK_URL'), 'there is no webhook'),
      command: 'alerts test',
      run: async (context) => (await import('./alerts.js')).testAlerts(context),
    },
    {
      name: 'guard',
      skip: null,
      command: 'guard',
      run: async (context) => (await import('./guard.js')).guardByHand(context, {}),
    },
  ];
}

/** The second scheduler of the guard, beside Vercel's cron. */
async function makeSchedule(context: Context): Promise<number> {
  const wanted = guardScheduleOf(context.env);
  if (wanted === null) return 0;
  const became = await ensureSchedule(connectSchedules(context.env), wanted);
  context.print(`The queue calls ${wanted.destination} at "${wanted.cron}" UTC: ${became}.`);
  if (became === 'paused')
    context.note(`warning: the schedule ${wanted.id} is paused; resume it in the QStash console`);
  return 0;
}

async function followUp(context: Context, results: StepResult[]): Promise<boolean> {
  for (const { command, name, run, skip } of stepsAfter(context.env)) {
    if (skip !== null) {
      context.print(`\n${name}: left out, since ${skip}`);
      results.push({ step: name, state: 'skipped', detail: skip });
      continue;
    }
    context.print(`\n${name}`);
    const exit = await run(within(context));
    results.push({
      step: name,
      state: exit === 0 ? 'done' : 'failed',
      detail: exit === 0 ? null : `exit code ${exit}`,
    });
    if (exit === 0) continue;
    context.note(`error: deploy stopped at ${name} (exit code ${exit}); what was done before stays`);
    context.note(
      `hint: Mend what is named above, try it alone with \`npx soulcaster-backup ${command} --env-file .env\`, then run deploy again.`,
    );
    return false;
  }
  const { status } = await import('./status.js');
  context.print('\nstatus');
  const isOk = (await status(within(context))) === 0;
  results.push({ step: 'status', state: 'done', detail: isOk ? 'ok' : 'not ok yet' });
  if (!isOk)
    context.note(
      'The schedulers are known once they have called: the queue within the hour, the cron at 14:00 UTC. Then: npx soulcaster-backup status --env-file .env',
    );
  if (alertRules(context.env).drilledBy === 'operator')
    context.note(
      `The functions have no age identity, so that the weekly drill is yours. In the crontab of a machine that has it: ${DRILL_CRON.replace('FOLDER', () => quoted(process.cwd()))}`,
    );
  return true;
}

/** The same, but the one document is that of `deploy`. */
function within(context: Context): Context {
  return { ...context, document: () => undefined };
}

const SIGNS = { create: '+', write: '~', keep: ' ' } as const;

function planView(project: string, plan: VariablePlan, newest: Deployment | null, builds: boolean): string {
  const changed = plan.variables.filter(({ action }) => action !== 'keep');
  const kept = plan.variables.length - changed.length;
  const lines = changed.map(
    ({ action, name }) => `  ${SIGNS[action]} ${name}${isSecretName(name) ? ' (sensitive)' : ''}`,
  );
  const build = newest === null ? 'it was never deployed' : builds ? `${newest.id} is built again` : 'it is up to date';
  return [
    `Vercel project ${project}: ${changed.length} variables to set, ${kept} as they should be; ${build}.`,
    ...lines,
    ...(plan.others.length === 0 ? [] : [`  not of .env, and left as they are: ${plan.others.join(', ')}`]),
  ].join('\n');
}

const shown = (plan: VariablePlan) =>
  plan.variables.map(({ action, name }) => ({ name, action, sensitive: isSecretName(name) }));

async function demandConsent(
  context: Context,
  { yes }: DeployOptions,
  plan: VariablePlan,
  builds: boolean,
): Promise<void> {
  if (yes === true || (!builds && plan.variables.every(({ action }) => action === 'keep'))) return;
  if ((await prompt('To set these and deploy, type yes: ', context.interrupt)) === 'yes') return;
  throw new AppError('not-confirmed', 'Nothing was changed: the answer was not yes', {
    hint: 'Start the command again when you are sure.',
  });
}

function neverDeployed(project: string): AppError {
  return new AppError('hosting-refused', `The variables are set, but ${project} was never deployed`, {
    hint: `Deploy it once: npx vercel link --project ${project} && npx vercel deploy --prod. Then run the same command again.`,
  });
}

/** Other snapshots that are gone or altered are named as well, have their own alert, and stop no deployment. */
async function verifyLatest(context: Context): Promise<number> {
  const { verifySnapshot } = await import('./verify.js');
  const error = await verifySnapshot(context, 'latest', { local: true });
  return error === null || error.code === 'chain-broken' ? 0 : exitCodeOf(error.code);
}
