import { z } from 'zod';
import { connect } from '../../lib/app/connect.js';
import { connectTrust } from '../../lib/app/connect/database.js';
import { AppError } from '../../lib/errors.js';
import { alertRules } from '../../lib/app/settings.js';
import { statusReport, type StatusReport } from '../../lib/monitoring/status/report.js';
import type { Stack } from '../stack/index.js';
import { liveServices } from '../../lib/app/live-services.js';
import { drills } from '../../lib/restore/drill/record.js';
import type { Context } from '../../lib/cli/context.js';
import { drill } from '../../lib/cli/drill.js';
import { status } from '../../lib/cli/status.js';

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
  await status(context);
  const ports = connect(stack.env, ['clock', 'signer', 'store']);
  const trust = await connectTrust(stack.env, ports);
  const report = await statusReport(
    trust,
    () => drills(ports.store, trust.own),
    alertRules(stack.env),
    liveServices(stack.env),
  );
  context.print(
    '  Nobody is told of alerts here, and the schedule of the queue has not called yet: so it is not watched.',
  );
  const isProven = [report.recoverable, report.recoveryTime, report.services].every(({ state }) => state === 'ok');
  return { exit: isProven ? 0 : 1, status: report };
}

function unwell(what: string): AppError {
  return new AppError('internal', `In the demo ${what}`, {
    hint: 'Run the demo again with DEBUG=1; if it fails again, report what it prints.',
  });
}
