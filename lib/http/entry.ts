import { createHash, timingSafeEqual } from 'node:crypto';
import { functionDeadline, storeApp, type FullApp, type StoreApp } from '../app/app.js';
import { environment, loadConfig, problemOfSection, type Environment, type Section } from '../app/config.js';
import { functionVariables } from '../app/config/names.js';
import { connect, functionLog } from '../app/connect.js';
import { AppError } from '../errors.js';
import { reportUnusableConfiguration, alertingApp } from '../app/guard-app.js';
import type { Ports, Queue, WebhookVerifier } from '../ports/index.js';
import type { Budget } from '../runs/attempt.js';
import { withDeployment } from './deployment.js';
import { demandOnly } from './parameters.js';
import { guarded, json } from './problem.js';
import { rememberingStore, type Memory } from './remembering-store.js';

export type Handler = (request: Request) => Promise<Response>;
export type ViewPorts = Pick<Ports, 'clock' | 'log' | 'signer' | 'store'>;

/** What a function that moves runs does, once the caller has been let in. */
export type Action<A = FullApp> = (app: A, request: Request, budget: Budget) => Promise<Response>;
/** The same, for requests that are signed: the action checks the signature, which is over the body. */
type SignedAction = (app: FullApp, request: Request, budget: Budget, verifier: WebhookVerifier) => Promise<Response>;
/** What a function that only looks into the store does. */
export type View = (ports: ViewPorts, request: Request) => Promise<Response>;

/** For Vercel's cron: the caller must know CRON_SECRET. */
export function cronEntry(action: Action): Handler {
  return actionEntry(alertingApp, action, demandCron, { unusable: reportUnusableConfiguration });
}

/** For the queue's schedule, as `queueEntry`. `isSigned`: whether a call is the queue's; it may throw. */
export function scheduleEntry(action: Action, isSigned: (queue: Queue, request: Request) => Promise<boolean>): Handler {
  const unusable: Unusable = async (env, cause, request) => {
    // Without the keys of the queue nobody can be told from anybody: then the cron tells.
    if (problemOfSection(env, 'queue') !== null) return;
    if (await isSigned(connect(env, ['queue']).queue, request)) await reportUnusableConfiguration(env, cause);
  };
  return actionEntry(alertingApp, action, () => undefined, { unusable });
}

/** Answers whoever knows CRON_SECRET, and starts nothing: whether it is the right one, and which variables are set here, by name. */
export function cronCheck(): Handler {
  return (request) =>
    guarded(functionLog(), () => {
      demandCron(environment(), request);
      return Promise.resolve(
        json(200, { cron: true, variables: Object.keys(functionVariables(environment())).sort() }),
      );
    });
}

/** For operators: the caller must know ADMIN_TOKEN. */
export function adminEntry(action: Action): Handler {
  return actionEntry(alertingApp, action, demandOperator, { finish: withDeployment });
}

/** For operators, and for runs that work on snapshots in the store alone. */
export function adminStoreEntry(action: Action<StoreApp>): Handler {
  return actionEntry(storeApp, action, demandOperator, { finish: withDeployment });
}

/** For the queue: the action checks the signature, which is over the body. */
export function queueEntry(action: Action): Handler {
  return actionEntry(alertingApp, action, () => undefined);
}

/** For whoever can sign with RESTORE_WEBHOOK_SECRET. */
export function webhookEntry(action: SignedAction): Handler {
  const signed: Action = (app, request, budget) => {
    const { webhooks } = connect(environment(), ['webhooks']);
    return action(app, request, budget, webhooks);
  };
  return actionEntry(alertingApp, signed, demandWebhookSecret);
}

/** For operators, and for what needs nothing but the store. */
export function adminView(view: View): Handler {
  return viewEntry(view, demandOperator, withDeployment);
}

/**
 * For anyone: the view itself says what it shows to whom. What fails here is told to operators alone, since it names hosts
 * and buckets; others are given what `failed` makes.
 */
export function openView(view: View, failed: () => Response): Handler {
  return viewEntry(
    view,
    () => undefined,
    (response, request) =>
      response.status >= 500 && isProblem(response) && !isOperator(request) ? failed() : response,
  );
}

function isProblem(response: Response): boolean {
  return response.headers.get('content-type')?.includes('problem') ?? false;
}

function isOperator(request: Request): boolean {
  try {
    demandAdmin(environment(), request);
    return true;
  } catch {
    return false;
  }
}

/** What the views of this process remember; another configuration begins with nothing. */
let remembered: { readonly of: string; readonly memory: Memory } | null = null;

function memoryOf(env: Environment): Memory {
  const names = Object.keys(env).filter((name) => /^(BACKUP_|S3_|AWS_|UPSTASH_REDIS_)/.test(name));
  const of = JSON.stringify(names.sort().map((name) => [name, env[name]]));
  if (remembered?.of !== of) remembered = { of, memory: new Map() };
  return remembered.memory;
}

/** Throws `unauthorized` unless the request carries ADMIN_TOKEN; also when there is none set. */
export function demandAdmin(env: Environment, request: Request): void {
  demandSecret(env, 'admin', 'ADMIN_TOKEN');
  demandBearer(request, loadConfig(env, ['admin']).admin.ADMIN_TOKEN, 'Send `Authorization: Bearer <ADMIN_TOKEN>`.');
}

/** The same, and that a call that changes something is told all it is told in its body: `?dryRun=true` would not be heeded. */
function demandOperator(env: Environment, request: Request): void {
  demandAdmin(env, request);
  if (request.method === 'POST') demandOnly(new URL(request.url).searchParams);
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
type Finish = (response: Response, request: Request) => Response | Promise<Response>;

/** Told of variables with which the program cannot be made, once the caller has been let in. */
type Unusable = (env: Environment, cause: unknown, request: Request) => Promise<void>;

interface Around {
  readonly finish?: Finish;
  readonly unusable?: Unusable;
}

function actionEntry<A extends StoreApp>(
  make: (env: Environment) => A,
  action: Action<A>,
  demand: Demand,
  { finish = (response) => response, unusable = () => Promise.resolve() }: Around = {},
): Handler {
  const made = async (request: Request): Promise<A> => {
    try {
      return make(environment());
    } catch (cause) {
      await unusable(environment(), cause, request);
      throw cause;
    }
  };
  return (request) => {
    const startedAt = Date.now();
    return guarded(functionLog(), async () => {
      demand(environment(), request);
      const answer = await guarded(functionLog(), async () => {
        const app = await made(request);
        const deadline = functionDeadline(startedAt, app.limits.FUNCTION_LIMIT_SECONDS);
        const budget = { deadline, lastAttempt: !app.queued, interrupt: new AbortController().signal };
        return action(app, request, budget);
      });
      return finish(answer, request);
    });
  };
}

function viewEntry(view: View, demand: Demand, finish: Finish = (response) => response): Handler {
  return (request) =>
    guarded(functionLog(), async () => {
      demand(environment(), request);
      const answer = () => {
        const ports = connect(environment(), ['clock', 'log', 'signer', 'store']);
        return view({ ...ports, store: rememberingStore(ports.store, memoryOf(environment())) }, request);
      };
      return finish(await guarded(functionLog(), async () => answer()), request);
    });
}

/**
 * Demands `Authorization: Bearer <secret>`. Throws `unauthorized` otherwise. Hashes are compared, in constant time, so
 * that neither the length nor a common beginning shows.
 */
function demandBearer(request: Request, secret: string, hint: string): void {
  const header = request.headers.get('authorization') ?? '';
  const given = /^Bearer (.+)$/i.exec(header)?.[1] ?? '';
  if (given !== '' && timingSafeEqual(digest(given), digest(secret))) return;
  throw new AppError('unauthorized', 'The request does not carry the right bearer token', { hint });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
