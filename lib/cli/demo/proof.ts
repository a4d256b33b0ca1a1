import { z } from 'zod';
import { connect } from '../../connect.js';
import { connectTrust } from '../../connect/database.js';
import { AppError } from '../../errors.js';
import { alertRules } from '../../settings.js';
import { statusReport, type StatusReport } from '../../guard/status/report.js';
import type { Stack } from '../../local/stack/index.js';
import { drills } from '../../restore/drill/record.js';
import type { Context } from '../context.js';
import { drill } from '../drill.js';
import { status } from '../status.js';

const CRON = '/api/cron/guard';

const guardSchema = z.object({
  outcome: z.string(),
  steps: z.array(z.object({ name: z.string(), state: z.string() })),
});

/** Proves the newest snapshot by a drill, has the guard make its turn, and shows what has been measured. */
export async function proofStory(
  context: Context,
  stack: Stack,
  step: (text: string) => void,
): Promise<{ readonly exit: number; readonly status: StatusReport | null }> {
  step('A drill: the snapshot goes into a scratch database, every key is compared, and it is wiped again');
  const drilled = await drill(context, {});
  if (drilled !== 0) return { exit: drilled, status: null };

  step('The guard makes its turn: GET /api/cron/guard');
  const answer = await stack.functions.fireCron(CRON);
  const turn = guardSchema.safeParse(await answer.json());
  if (!answer.ok || !turn.success) throw unwell(`the guard answered with status ${answer.status}`);
  context.print(`  ${turn.data.steps.map(({ name, state }) => `${name} ${state}`).join(', ')}; ${turn.data.outcome}`);

  step('The status: are the objectives met, in numbers that were measured here?');
  const exit = await status(context);
  const ports = connect(stack.env, ['clock', 'signer', 'store']);
  const trust = await connectTrust(stack.env, ports);
  return { exit, status: await statusReport(trust, () => drills(ports.store), alertRules(stack.env)) };
}

function unwell(what: string): AppError {
  return new AppError('internal', `In the demo ${what}`, {
    hint: 'Run the demo again with DEBUG=1; if it fails again, report what it prints.',
  });
}
