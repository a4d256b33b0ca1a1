import { randomUUID } from 'node:crypto';
import { connect } from '../../lib/app/connect.js';
import type { Stack } from '../stack/index.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { errorOfRun } from '../../lib/cli/carry-out.js';
import type { Context } from '../../lib/cli/context.js';
import { progressView } from '../../lib/cli/output/progress.js';
import { signHeaders } from '../../lib/services/standard-webhooks.js';
import { readRunId, showUntilEnd } from './nightly.js';

const PATH = '/api/webhooks/restore';

/** Sends a signed request to the restore webhook and shows its run until the end. Throws the run's error. */
export async function restoreByWebhook(context: Context, stack: Stack, request: object): Promise<RunRecord> {
  const ports = connect(stack.env, ['clock', 'store']);
  const body = JSON.stringify(request);
  const response = await fetch(new URL(PATH, stack.urls.functions), {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      ...signHeaders({ clock: ports.clock, secret: stack.secrets.webhookSecret }, body, `demo_${randomUUID()}`),
    },
  });
  const view = progressView(context, () => ports.clock.now());
  try {
    const run = await showUntilEnd(ports, await readRunId(response), context.interrupt, (record) =>
      view.update(record),
    );
    const error = errorOfRun(run);
    if (error !== null) throw error;
    return run;
  } finally {
    view.stop();
  }
}
