import { fullApp } from '../app/app.js';
import { guardParts } from '../app/guard-app.js';
import { guard, type GuardReport } from '../monitoring/guard/run.js';
import type { Step } from '../monitoring/state.js';
import { runEnvironment } from './carry-out.js';
import type { Context } from './context.js';
import { counted } from './output/format.js';
import { table } from './output/table.js';

/** `guard`: does the cron's work by hand. Exit 0 when all is well, 1 when a step failed or an alert is open. */
export async function guardByHand(context: Context, options: { readonly local?: boolean }): Promise<number> {
  const env = runEnvironment(context.env, options.local === true);
  const app = fullApp(env, { log: context.log });
  const budget = { deadline: Number.POSITIVE_INFINITY, lastAttempt: !app.queued, interrupt: context.interrupt };
  const report = await guard(guardParts(env, app, 'operator'), budget);
  context.print(reportText(report));
  context.document(report);
  return report.outcome === 'ok' ? 0 : 1;
}

function reportText({ steps, alerts, sent, delivered }: GuardReport): string {
  const rows = steps.map((step) => [step.name, step.state === 'done' ? 'done' : 'FAILED', stepSummary(step)]);
  const open = alerts.map(({ code, subject, message, hint }) => `ALERT ${code} (${subject}): ${message}\n  -> ${hint}`);
  const messages = delivered
    ? `${counted(sent.length, 'message')} sent.`
    : 'Some messages could not be sent: see above.';
  return [table(['step', 'state', 'what'], rows), ...open, `${counted(alerts.length, 'alert')} open, ${messages}`].join(
    '\n\n',
  );
}

function stepSummary({ error, summary }: Step): string {
  if (error !== null) return error.message;
  return Object.entries(summary)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => (name === 'state' ? String(value) : `${name} ${String(value)}`))
    .join(', ');
}
