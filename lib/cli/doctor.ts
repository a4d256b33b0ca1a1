import { toAppError } from '../errors.js';
import { checkGroups, statusPageGroups } from '../checks.js';
import { connect } from '../connect.js';
import { examine, type CheckGroup, type CheckResult } from '../guard/doctor.js';
import type { Clock } from '../ports/clock.js';
import type { Context } from './context.js';
import { counted } from './output/format.js';

/** `doctor`: tries every configured service, and says what is wrong and what to do. Exit 1 when anything failed. */
export async function doctor(context: Context, options: { readonly offline?: boolean }): Promise<number> {
  const { clock } = connect(context.env, ['clock']);
  const pages = options.offline === true ? [] : statusPageGroups(context.env);
  const checks = await report(context, clock, [...checkGroups(context.env, clock), ...pages]);
  return checks.every(({ ok }) => ok) ? 0 : 1;
}

/** Makes the checks, tells each as it comes, and the count of what is wrong. */
export async function report(context: Context, clock: Clock, groups: readonly CheckGroup[]): Promise<CheckResult[]> {
  const checks: CheckResult[] = [];
  for await (const result of examine(clock, groups)) {
    if (context.interrupt.aborted) throw toAppError(context.interrupt.reason);
    checks.push(result);
    context.print(line(result));
  }
  const failed = checks.filter((check) => !check.ok).length;
  const warnings = checks.filter(({ status }) => status === 'warn').length;
  context.print(
    `\n${failed === 0 ? 'Nothing failed' : `${counted(failed, 'check')} failed`}, ${counted(warnings, 'warning')}.`,
  );
  context.document({ ok: failed === 0, failed, warnings, checks });
  return checks;
}

const WORDS = { ok: 'ok', warn: 'warn', fail: 'FAIL', skipped: 'skip' } as const;
const NAME_WIDTH = 14;

function line({ status, name, detail, hint, ms }: CheckResult): string {
  const time = status === 'skipped' ? '' : ` (${ms} ms)`;
  const first = `${WORDS[status].padEnd(4)}  ${name.padEnd(NAME_WIDTH)} ${detail}${time}`;
  return hint === null ? first : `${first}\n${' '.repeat(NAME_WIDTH + 7)}-> ${hint}`;
}
