import { Hono, type Context } from 'hono';
import { acknowledgeAlert, metricsUnknown, showStatus, statusUnknown, testAlert } from './status.js';
import { adminBackup } from './crons.js';
import { adminDrill, adminRestore } from './restore.js';
import { cronCheck, adminEntry, adminStoreEntry, adminView, openView, type Handler } from './entry.js';
import { downloadSnapshot, showDiff, showKeys, showSnapshot, showValue } from './inspect.js';
import { acceptOne, pinOne, showSnapshots, adminVerify } from './snapshots.js';
import { plainProblem } from './responses.js';
import { adminReindex } from './reindex.js';
import { adminCancel, showRun, showRuns } from './runs.js';

type Method = 'GET' | 'POST';

/**
 * All routes of operators and of the page, in one function: a deployment on Vercel's smallest plan may have twelve. Crons, the
 * queue and the webhook have separate functions, so that their secrets stay apart.
 */
const ROUTES: Readonly<Record<string, Partial<Record<Method, Handler>>>> = {
  '/api/alerts/acknowledge': { POST: adminView(acknowledgeAlert) },
  '/api/alerts/test': { POST: adminView(testAlert) },
  '/api/backup': { POST: adminEntry(adminBackup) },
  '/api/cron/check': { GET: cronCheck() },
  '/api/drill': { POST: adminEntry(adminDrill) },
  '/api/reindex': { POST: adminEntry(adminReindex) },
  '/api/restore': { POST: adminEntry(adminRestore) },
  '/api/runs': { GET: adminView(showRuns) },
  '/api/runs/:id': { GET: adminView(showRun) },
  '/api/runs/:id/cancel': { POST: adminEntry(adminCancel) },
  '/api/snapshots': { GET: adminView(showSnapshots) },
  '/api/snapshots/:id': { GET: adminView(showSnapshot) },
  '/api/snapshots/:id/accept': { POST: adminView(acceptOne) },
  '/api/snapshots/:id/diff': { GET: adminView(showDiff) },
  '/api/snapshots/:id/download': { GET: adminView(downloadSnapshot) },
  '/api/snapshots/:id/keys': { GET: adminView(showKeys) },
  '/api/snapshots/:id/keys/value': { GET: adminView(showValue) },
  '/api/snapshots/:id/pin': { POST: adminView(pinOne) },
  '/api/status': { GET: openView(showStatus, { anyone: statusUnknown, operator: metricsUnknown }) },
  '/api/verify': { POST: adminStoreEntry(adminVerify) },
};

/** Answers a request by its path; 404 for an unknown path, 405 for a method that the path does not accept. */
export const operator: Handler = async (request) => app.fetch(request);

const app = routesOf(ROUTES);

function routesOf(routes: typeof ROUTES): Hono {
  const hono = new Hono({ strict: false });
  for (const [path, handlers] of Object.entries(routes)) {
    for (const [method, handler] of Object.entries(handlers)) {
      hono.on(method, path, (context: Context) => handler(context.req.raw));
    }
    const allow = Object.keys(handlers).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
    hono.all(path, () =>
      plainProblem(405, 'method-not-allowed', 'This address does not take this method', { allow: allow.join(', ') }),
    );
  }
  hono.notFound(() => plainProblem(404, 'not-found', 'There is nothing at this address'));
  return hono;
}
