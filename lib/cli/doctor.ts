import type { Environment } from '../app/config.js';
import { AppError, toAppError } from '../errors.js';
import { checkGroups, statusPageGroups, credentialGroups } from '../app/checks.js';
import { functionVariables } from '../app/config/names.js';
import { connect, connectDoor, signWebhook } from '../app/connect.js';
import { deploymentOf } from '../app/connect/database.js';
import { deploymentChecks, reachChecks, type ProbedDeployment } from '../health/checks/deployment.js';
import { examine, type CheckGroup, type CheckResult } from '../health/doctor.js';
import type { Clock } from '../ports/clock.js';
import type { Context } from './context.js';
import { counted } from './output/format.js';
import { UNDECIDED } from '../health/credentials/outcomes.js';

interface DoctorOptions {
  readonly offline?: boolean;
  /** The address of a deployment; `true`: PUBLIC_URL. */
  readonly deployment?: string | true;
}

/**
 * `doctor`: tries every configured service or, with --deployment, a deployment from outside, and says what is wrong and what
 * to do. Exit 1 when anything failed.
 */
export async function doctor(context: Context, options: DoctorOptions): Promise<number> {
  const { clock } = connect(context.env, ['clock']);
  if (options.deployment !== undefined) return fromOutside(context, clock, options.deployment);
  const pages = options.offline === true ? [] : statusPageGroups(context.env);
  const checks = await report(context, clock, [...checkGroups(context.env, clock), ...pages]);
  return checks.every(({ ok }) => ok) ? 0 : 1;
}

async function fromOutside(context: Context, clock: Clock, address: string | true): Promise<number> {
  const { env } = context;
  const outside = outsideOf(env, clock, address === true ? (env['PUBLIC_URL'] ?? '') : address);
  context.print(`${outside.url}, from outside:`);
  const first = await examineAll(context, clock, [reachChecks(outside)]);
  // What answers in place of the program answers everywhere.
  const rest = first.every(({ ok }) => ok) ? await examineAll(context, clock, deploymentChecks(outside)) : [];
  return conclude(context, [...first, ...rest]) === 0 ? 0 : 1;
}

/** Throws `usage` for what is no address of a deployment. */
function outsideOf(env: Environment, clock: Clock, address: string): ProbedDeployment {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.pathname !== '/') {
    throw new AppError('usage', 'The address of the deployment is none', {
      hint: 'Give scheme and host, such as `npx soulcaster-backup doctor --deployment https://backup.example.com --env-file .env`, or set PUBLIC_URL.',
    });
  }
  const secrets = { admin: env['ADMIN_TOKEN'] ?? '', cron: env['CRON_SECRET'] ?? '' };
  return {
    url: url.origin,
    client: () => connectDoor(url.origin),
    expected: deploymentOf(env),
    secrets,
    variables: Object.keys(functionVariables(env)),
    sign: (body) => signWebhook(env, body),
    now: () => clock.now(),
  };
}

/** Makes the checks, tells each as it comes, and the count of what is wrong. */
export async function report(context: Context, clock: Clock, groups: readonly CheckGroup[]): Promise<CheckResult[]> {
  const checks = await examineAll(context, clock, groups);
  conclude(context, checks);
  return checks;
}

async function examineAll(context: Context, clock: Clock, groups: readonly CheckGroup[]): Promise<CheckResult[]> {
  const checks: CheckResult[] = [];
  for await (const result of examine(clock, groups)) {
    if (context.interrupt.aborted) throw toAppError(context.interrupt.reason);
    checks.push(result);
    context.print(checkLine(result));
  }
  return checks;
}

/** How many failed. */
function conclude(context: Context, checks: readonly CheckResult[]): number {
  const failed = checks.filter((check) => !check.ok).length;
  const warnings = checks.filter(({ status }) => status === 'warn').length;
  context.print(
    `\n${failed === 0 ? 'Nothing failed' : `${counted(failed, 'check')} failed`}, ${counted(warnings, 'warning')}.`,
  );
  context.document({ ok: failed === 0, failed, warnings, checks });
  return failed;
}

const WORDS = { ok: 'ok', warn: 'warn', fail: 'FAIL', skipped: 'skip' } as const;
const NAME_WIDTH = 14;

/** A check as a line, and below it what to do. */
export function checkLine({ status, name, detail, hint, ms }: CheckResult): string {
  const time = status === 'skipped' ? '' : ` (${ms} ms)`;
  const first = `${WORDS[status].padEnd(4)}  ${name.padEnd(NAME_WIDTH)} ${detail}${time}`;
  return hint === null ? first : `${first}\n${' '.repeat(NAME_WIDTH + 7)}-> ${hint}`;
}

/** `github check`: exit 0 when nothing failed, 1 when something did, 3 when GitHub could not be asked. */
export async function githubCheck(context: Context): Promise<number> {
  const { clock } = connect(context.env, ['clock']);
  const checks = await report(context, clock, credentialGroups(context.env, clock));
  const isUndecided = ({ code }: CheckResult): boolean => code !== undefined && UNDECIDED.has(code);
  if (checks.some((check) => !check.ok && !isUndecided(check))) return 1;
  return checks.some(isUndecided) ? 3 : 0;
}
