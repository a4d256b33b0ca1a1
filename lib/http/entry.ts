import { createHash, timingSafeEqual } from 'node:crypto';
import { functionDeadline, storeApp, type FullApp, type StoreApp } from '../app/app.js';
import { environment, loadConfig, problemOfSection, type Environment, type Section } from '../app/config.js';
import { functionVariables } from '../app/config/names.js';
import { connect, functionLog } from '../app/connect.js';
import { AppError } from '../errors.js';
import { reportUnusableConfiguration, alertingApp } from '../app/guard-app.js';
import type { Ports, Queue, WebhookVerifier } from '../ports/index.js';
import type { Budget } from '../runs/attempt.js';
import { withDeployment, withErrorResponse, json } from './responses.js';
import { assertKnownParameters } from './requests.js';
import { rememberingStore, type Memory } from './remembering-store.js';

export type Handler = (request: Request) => Promise<Response>;
export type ViewPorts = Pick<Ports, 'clock' | 'log' | 'signer' | 'store'>;

/** Handles an authorized request in a function that works on runs. */
export type Action<A = FullApp> = (app: A, request: Request, budget: Budget) => Promise<Response>;
/** Handles a signed request: the action verifies the signature, which covers the body. */
type SignedAction = (app: FullApp, request: Request, budget: Budget, verifier: WebhookVerifier) => Promise<Response>;
/** Handles a request that needs only the store. */
export type View = (ports: ViewPorts, request: Request) => Promise<Response>;

/** For Vercel's cron: requires CRON_SECRET. */
export function cronEntry(action: Action): Handler {
  return actionEntry(alertingApp, action, assertCron, { onUnusable: reportUnusableConfiguration });
}

/** For the queue's schedule, like `queueEntry`. `isSigned`: whether the queue signed the call; it may throw. */
export function scheduleEntry(action: Action, isSigned: (queue: Queue, request: Request) => Promise<boolean>): Handler {
  const onUnusable: OnUnusable = async (env, cause, request) => {
    // Without the queue's keys the caller cannot be authenticated; the cron then reports the problem.
    if (problemOfSection(env, 'queue') !== null) return;
    if (await isSigned(connect(env, ['queue']).queue, request)) await reportUnusableConfiguration(env, cause);
  };
  return actionEntry(alertingApp, action, () => undefined, { onUnusable });
}

/** Confirms CRON_SECRET and lists the names of the variables that are set here; starts nothing. */
export function cronCheck(): Handler {
  return (request) =>
    withErrorResponse(functionLog(), () => {
      assertCron(environment(), request);
      return Promise.resolve(
        json(200, { cron: true, variables: Object.keys(functionVariables(environment())).sort() }),
      );
    });
}

/** For operators: requires ADMIN_TOKEN. */
export function adminEntry(action: Action): Handler {
  return actionEntry(alertingApp, action, assertOperator, { finish: withDeployment });
}

/** For operators, and for runs that need only the store. */
export function adminStoreEntry(action: Action<StoreApp>): Handler {
  return actionEntry(storeApp, action, assertOperator, { finish: withDeployment });
}

/** For the queue: the action verifies the signature, which covers the body. */
export function queueEntry(action: Action): Handler {
  return actionEntry(alertingApp, action, () => undefined);
}

/** For callers that sign with RESTORE_WEBHOOK_SECRET. */
export function webhookEntry(action: SignedAction): Handler {
  const signed: Action = (app, request, budget) => {
    const { webhooks } = connect(environment(), ['webhooks']);
    return action(app, request, budget, webhooks);
  };
  return actionEntry(alertingApp, signed, assertWebhookSecret);
}

/** For operators, and for views that need only the store. */
export function adminView(view: View): Handler {
  return viewEntry(view, assertOperator, withDeployment);
}

/**
 * For anyone: the view decides what it shows to whom. Only operators see errors, which name hosts and buckets. `failed` answers
 * for a view that failed: to anyone else always, and to operators unless it returns null for their request.
 */
export function openView(
  view: View,
  failed: { readonly anyone: () => Response; readonly operator: (request: Request) => Response | null },
): Handler {
  return viewEntry(
    view,
    () => undefined,
    (response, request) => {
      const hasFailed = response.status >= 500 && (response.headers.get('content-type')?.includes('problem') ?? false);
      if (!isOperator(request)) return hasFailed ? failed.anyone() : response;
      return (hasFailed ? failed.operator(request) : null) ?? withDeployment(response);
    },
  );
}

function isOperator(request: Request): boolean {
  if (!request.headers.has('authorization')) return false;
  try {
    assertAdmin(environment(), request);
    return true;
  } catch {
    return false;
  }
}

/** Objects cached by the views of this process; dropped when the configuration changes. */
let remembered: { readonly of: string; readonly memory: Memory } | null = null;

function memoryOf(env: Environment): Memory {
  const names = Object.keys(env).filter((name) => /^(BACKUP_|S3_|AWS_|UPSTASH_REDIS_)/.test(name));
  const of = JSON.stringify(names.sort().map((name) => [name, env[name]]));
  if (remembered?.of !== of) remembered = { of, memory: new Map() };
  return remembered.memory;
}

/** Throws `unauthorized` unless the request carries ADMIN_TOKEN, and if no ADMIN_TOKEN is set. */
export function assertAdmin(env: Environment, request: Request): void {
  assertSecretUsable(env, 'admin', 'ADMIN_TOKEN');
  assertBearer(request, loadConfig(env, ['admin']).admin.ADMIN_TOKEN, 'Send `Authorization: Bearer <ADMIN_TOKEN>`.');
}

/** As `assertAdmin`; a POST must have no query parameters, since `?dryRun=true` would be ignored. */
function assertOperator(env: Environment, request: Request): void {
  assertAdmin(env, request);
  if (request.method === 'POST') assertKnownParameters(new URL(request.url).searchParams);
}

function assertCron(env: Environment, request: Request): void {
  assertSecretUsable(env, 'cron', 'CRON_SECRET');
  const hint = 'Vercel sends CRON_SECRET with every cron request; by hand send `Authorization: Bearer <CRON_SECRET>`.';
  assertBearer(request, loadConfig(env, ['cron']).cron.CRON_SECRET, hint);
}

/** Asserts only that the secret is set; the action verifies the signature. */
function assertWebhookSecret(env: Environment): void {
  assertSecretUsable(env, 'webhook', 'RESTORE_WEBHOOK_SECRET', '`whsec_` and the base64 of 32 random bytes');
}

/**
 * Refuses all callers if the secret is missing or invalid. Details go only to the log, since the caller is not authorized
 * yet.
 */
function assertSecretUsable(
  env: Environment,
  section: Section,
  variable: string,
  form = 'a random text of 16 characters or more',
): void {
  const problem = problemOfSection(env, section);
  if (problem === null) return;
  const isSet = (env[variable] ?? '') !== '';
  functionLog().error('secret-not-usable', { variable, problem: problem.message });
  throw new AppError(
    'unauthorized',
    `${variable} is ${isSet ? 'not usable' : 'not set'} here: all callers are refused`,
    {
      hint: `Set ${variable} to ${form}, without spaces or a line end, and deploy again; \`npx soulcaster-backup doctor --env-file .env\` shows the problem.`,
    },
  );
}

type Authorize = (env: Environment, request: Request) => void;

/** Completes the answer to an authorized caller; errors included. */
type Finish = (response: Response, request: Request) => Response | Promise<Response>;

/** Called after authorization if the configuration does not allow creating the app. */
type OnUnusable = (env: Environment, cause: unknown, request: Request) => Promise<void>;

interface EntryOptions {
  readonly finish?: Finish;
  readonly onUnusable?: OnUnusable;
}

function actionEntry<A extends StoreApp>(
  make: (env: Environment) => A,
  action: Action<A>,
  authorize: Authorize,
  { finish = (response) => response, onUnusable = () => Promise.resolve() }: EntryOptions = {},
): Handler {
  const createApp = async (request: Request): Promise<A> => {
    try {
      return make(environment());
    } catch (cause) {
      await onUnusable(environment(), cause, request);
      throw cause;
    }
  };
  return (request) => {
    const startedAt = Date.now();
    return withErrorResponse(functionLog(), async () => {
      authorize(environment(), request);
      const answer = await withErrorResponse(functionLog(), async () => {
        const app = await createApp(request);
        const deadline = functionDeadline(startedAt, app.limits.FUNCTION_LIMIT_SECONDS);
        const budget = { deadline, lastAttempt: !app.queued, interrupt: new AbortController().signal };
        return action(app, request, budget);
      });
      return finish(answer, request);
    });
  };
}

function viewEntry(view: View, authorize: Authorize, finish: Finish = (response) => response): Handler {
  return (request) =>
    withErrorResponse(functionLog(), async () => {
      authorize(environment(), request);
      const answer = () => {
        const ports = connect(environment(), ['clock', 'log', 'signer', 'store']);
        return view({ ...ports, store: rememberingStore(ports.store, memoryOf(environment())) }, request);
      };
      return finish(await withErrorResponse(functionLog(), async () => answer()), request);
    });
}

/**
 * Throws `unauthorized` unless the request has `Authorization: Bearer <secret>`. Compares hashes in constant time, so that
 * neither the length nor a common prefix is revealed.
 */
function assertBearer(request: Request, secret: string, hint: string): void {
  const header = request.headers.get('authorization') ?? '';
  const given = /^Bearer (.+)$/i.exec(header)?.[1] ?? '';
  if (given !== '' && timingSafeEqual(digest(given), digest(secret))) return;
  throw new AppError('unauthorized', 'The request does not carry the right bearer token', { hint });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
