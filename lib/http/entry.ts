import { functionDeadline, storeApp, type FullApp, type StoreApp } from '../app.js';
import { environment, loadConfig, problemOfSection, type Environment, type Section } from '../config.js';
import { connect, functionLog } from '../connect.js';
import { AppError } from '../errors.js';
import { watchedApp } from '../guard-app.js';
import type { Ports, WebhookVerifier } from '../ports/index.js';
import type { Budget } from '../runs/leg.js';
import { withDeployment } from './deployment.js';
import { demandBearer } from './auth.js';
import { guarded } from './problem.js';

export type Handler = (request: Request) => Promise<Response>;
export type { FullApp };
export type ViewPorts = Pick<Ports, 'clock' | 'log' | 'signer' | 'store'>;

/** What a function that moves runs does, once the caller has been let in. */
export type Action<A = FullApp> = (app: A, request: Request, budget: Budget) => Promise<Response>;
/** The same, for requests that are signed: the action checks the signature, which is over the body. */
export type SignedAction = (
  app: FullApp,
  request: Request,
  budget: Budget,
  verifier: WebhookVerifier,
) => Promise<Response>;
/** What a function that only looks into the store does. */
export type View = (ports: ViewPorts, request: Request) => Promise<Response>;

/** For Vercel's cron: the caller must know CRON_SECRET. */
export function cronEntry(action: Action): Handler {
  return actionEntry(watchedApp, action, demandCron);
}

/** For operators: the caller must know ADMIN_TOKEN. */
export function adminEntry(action: Action): Handler {
  return actionEntry(watchedApp, action, demandAdmin, withDeployment);
}

/** For operators, and for runs that work on snapshots in the store alone. */
export function adminStoreEntry(action: Action<StoreApp>): Handler {
  return actionEntry(storeApp, action, demandAdmin, withDeployment);
}

/** For the queue: the action checks the signature, which is over the body. */
export function queueEntry(action: Action): Handler {
  return actionEntry(watchedApp, action, () => undefined);
}

/** For whoever can sign with RESTORE_WEBHOOK_SECRET. */
export function webhookEntry(action: SignedAction): Handler {
  const signed: Action = (app, request, budget) => {
    const { webhooks } = connect(environment(), ['webhooks']);
    return action(app, request, budget, webhooks);
  };
  return actionEntry(watchedApp, signed, demandWebhookSecret);
}

/** For operators, and for what needs nothing but the store. */
export function adminView(view: View): Handler {
  return viewEntry(view, demandAdmin, withDeployment);
}

/** For anyone: the view itself says what it shows to whom. */
export function openView(view: View): Handler {
  return viewEntry(view, () => undefined);
}

/** Throws `unauthorized` unless the request carries ADMIN_TOKEN; also when there is none set. */
export function demandAdmin(env: Environment, request: Request): void {
  demandSecret(env, 'admin', 'ADMIN_TOKEN');
  demandBearer(request, loadConfig(env, ['admin']).admin.ADMIN_TOKEN, 'Send `Authorization: Bearer <ADMIN_TOKEN>`.');
}

function demandCron(env: Environment, request: Request): void {
  demandSecret(env, 'cron', 'CRON_SECRET');
  const hint = 'Vercel sends CRON_SECRET with every cron request; by hand send `Authorization: Bearer <CRON_SECRET>`.';
  demandBearer(request, loadConfig(env, ['cron']).cron.CRON_SECRET, hint);
}

/** Whether it is a good one, and the request signed with it, is for the action to say. */
function demandWebhookSecret(env: Environment): void {
  demandSecret(env, 'webhook', 'RESTORE_WEBHOOK_SECRET', '`whsec_` and the base64 of 32 random bytes');
}

/**
 * A door whose lock has no key, or one that no caller can hold, stays shut. What is wrong with it is told in the log
 * alone: callers are not let in yet.
 */
function demandSecret(
  env: Environment,
  section: Section,
  variable: string,
  form = 'a random text of 16 characters or more',
): void {
  const problem = problemOfSection(env, section);
  if (problem === null) return;
  const isSet = (env[variable] ?? '') !== '';
  functionLog().error('secret-not-usable', { variable, problem: problem.message });
  throw new AppError('unauthorized', `${variable} is ${isSet ? 'not usable' : 'not set'} here, so nobody is let in`, {
    hint: `Set ${variable} to ${form}, without blanks or a line end, and deploy again; \`npx soulcaster-backup doctor\` names the fault.`,
  });
}

type Demand = (env: Environment, request: Request) => void;

/** What becomes of the answer to a caller who was let in, an error's included. */
type Finish = (response: Response) => Response | Promise<Response>;

function actionEntry<A extends StoreApp>(
  make: (env: Environment) => A,
  action: Action<A>,
  demand: Demand,
  finish: Finish = (response) => response,
): Handler {
  return (request) => {
    const startedAt = Date.now();
    return guarded(functionLog(), async () => {
      demand(environment(), request);
      const answer = await guarded(functionLog(), () => {
        const app = make(environment());
        const deadline = functionDeadline(startedAt, app.limits.FUNCTION_LIMIT_SECONDS);
        const budget = { deadline, lastAttempt: !app.queued, interrupt: new AbortController().signal };
        return action(app, request, budget);
      });
      return finish(answer);
    });
  };
}

function viewEntry(view: View, demand: Demand, finish: Finish = (response) => response): Handler {
  return (request) =>
    guarded(functionLog(), async () => {
      demand(environment(), request);
      const look = () => view(connect(environment(), ['clock', 'log', 'signer', 'store']), request);
      return finish(await guarded(functionLog(), async () => look()));
    });
}
