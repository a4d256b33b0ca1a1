import { credentialGroups } from '../checks.js';
import { connect } from '../connect.js';
import { UNDECIDED } from '../guard/credentials/outcomes.js';
import type { Context } from './context.js';
import { report } from './doctor.js';

/** `github check`: exit 0 when nothing failed, 1 when something did, 3 when GitHub could not be asked. */
export async function githubCheck(context: Context): Promise<number> {
  const { clock } = connect(context.env, ['clock']);
  const checks = await report(context, clock, credentialGroups(context.env, clock));
  if (checks.some(({ ok }) => !ok)) return 1;
  return checks.some(({ code }) => code !== undefined && UNDECIDED.has(code)) ? 3 : 0;
}
