import { AppError, toAppError } from '../errors.js';
import { credentialGroups, statusPageGroups } from '../app/account-checks.js';
import { checkGroups } from '../app/checks.js';
import { functionVariables } from '../app/config/names.js';
import { connect, connectDeployment, signWebhook } from '../app/connect.js';
import { deploymentOf } from '../app/connect/database.js';
import { deploymentChecks, reachChecks, type ProbedDeployment } from '../health/checks/deployment.js';
import { examine, type CheckGroup, type CheckResult } from '../health/doctor.js';
import type { Clock } from '../ports/clock.js';
import type { Context } from './context.js';
import { counted } from '../formats.js';
import { UNDECIDED } from '../health/credentials/github.js';

interface DoctorOptions {
  readonly offline?: boolean;
  /** The address of a deployment; `true`: PUBLIC_URL. */
  readonly deployment?: string | true;
}

/**
 * `doctor`: checks every configured service or, with --deployment, a deployment from outside, and reports what is wrong and what
 * to do. Exit 1 when a check failed.
 */
export async function doctor(context: Context, options: DoctorOptions): Promise<number> {
  const { clock } = connect(context.env, ['clock']);
  if (options.deployment !== undefined) return checkDeployment(context, clock, options.deployment);
  const pages = options.offline === true ? [] : statusPageGroups(context.env);
  const checks = await runChecks(context, clock, [...checkGroups(context.env, clock), ...pages]);
  return checks.every(({ ok }) => ok) ? 0 : 1;
}

async function checkDeployment(context: Context, clock: Clock, address: string | true): Promise<number> {
  const { env } = context;
  const outside = deploymentToCheck(context, clock, address === true ? (env['PUBLIC_URL'] ?? '') : address);
  context.print(`${outside.url}, from outside:`);
  const first = await runAndPrintChecks(context, clock, [reachChecks(outside)]);
  // If something else answers in place of the program, all other checks would fail as well.
  const rest = first.every(({ ok }) => ok) ? await runAndPrintChecks(context, clock, deploymentChecks(outside)) : [];
  return printTotals(context, [...first, ...rest]) === 0 ? 0 : 1;
}

/** Throws `usage` for an invalid address. */
function deploymentToCheck({ env, fileEnv = env }: Context, clock: Clock, address: string): ProbedDeployment {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.pathname !== '/') {
    throw new AppError('usage', 'The address of the deployment is not valid', {
      hint: 'Give scheme and host, such as `npx soulcaster-backup doctor --deployment https://backup.example.com --env-file .env`, or set PUBLIC_URL.',
    });
  }
  const secrets = { admin: env['ADMIN_TOKEN'] ?? '', cron: env['CRON_SECRET'] ?? '' };
  return {
    url: url.origin,
    client: () => connectDeployment(url.origin),
    expected: deploymentOf(env),
    secrets,
    variables: Object.keys(functionVariables(fileEnv)),
    sign: (body) => signWebhook(env, body),
    now: () => clock.now(),
  };
}

/** Runs the checks, prints each result as it arrives, and then the totals. */
export async function runChecks(context: Context, clock: Clock, groups: readonly CheckGroup[]): Promise<CheckResult[]> {
  const checks = await runAndPrintChecks(context, clock, groups);
  printTotals(context, checks);
  return checks;
}

async function runAndPrintChecks(
  context: Context,
  clock: Clock,
  groups: readonly CheckGroup[],
): Promise<CheckResult[]> {
  const checks: CheckResult[] = [];
  for await (const result of examine(clock, groups)) {
    if (context.interrupt.aborted) throw toAppError(context.interrupt.reason);
    checks.push(result);
    context.print(formatCheck(result));
  }
  return checks;
}

/** Prints the totals and returns how many checks failed. */
function printTotals(context: Context, checks: readonly CheckResult[]): number {
  const failed = checks.filter((check) => !check.ok).length;
  const warnings = checks.filter(({ status }) => status === 'warn').length;
  context.print(
    `\n${failed === 0 ? 'No check failed' : `${counted(failed, 'check')} failed`}, ${counted(warnings, 'warning')}.`,
  );
  context.document({ ok: failed === 0, failed, warnings, checks });
  return failed;
}

const WORDS = { ok: 'ok', warn: 'warn', fail: 'FAIL', skipped: 'skip' } as const;
const NAME_WIDTH = 14;

/** A check as one line, with the hint below it. */
export function formatCheck({ status, name, detail, hint, ms }: CheckResult): string {
  const time = status === 'skipped' ? '' : ` (${ms} ms)`;
  const first = `${WORDS[status].padEnd(4)}  ${name.padEnd(NAME_WIDTH)} ${detail}${time}`;
  return hint === null ? first : `${first}\n${' '.repeat(NAME_WIDTH + 7)}-> ${hint}`;
}

/** `github check`: exit 0 when no check failed, 1 when one did, 3 when GitHub could not be reached. */
export async function githubCheck(context: Context): Promise<number> {
  const { clock } = connect(context.env, ['clock']);
  const checks = await runChecks(context, clock, credentialGroups(context.env, clock));
  const isUndecided = ({ code }: CheckResult): boolean => code !== undefined && UNDECIDED.has(code);
  if (checks.some((check) => !check.ok && !isUndecided(check))) return 1;
  return checks.some(isUndecided) ? 3 : 0;
}
