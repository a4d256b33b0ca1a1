import { z } from 'zod';
import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { ProviderBackup, ProviderDatabase, UpstashAccount } from '../ports/upstash-account.js';
import { callRest, checkApiUrl, type RestAnswer, type RestCall } from './rest.js';
import { parseRetryAfter, type RetryPolicy, withRetry } from './retry.js';

export interface UpstashDeveloperOptions {
  /** `UPSTASH_API_URL`: https://api.upstash.com. */
  readonly url: string;
  /** The account's own, even when the key belongs to a team. */
  readonly email: string;
  readonly apiKey: string;
  readonly clock: Clock;
  /** Default: four attempts within half a minute. */
  readonly retry?: RetryPolicy;
  /** For one request with its answer. Default 20 s. */
  readonly timeoutMs?: number;
}

interface Call {
  readonly method: RestCall['method'];
  /** Below /v2/redis. */
  readonly path: readonly string[];
  readonly body?: object;
  readonly query?: string | undefined;
}

const RETRY: RetryPolicy = { attempts: 4, baseMs: 500, capMs: 30_000 };
const TIMEOUT_MS = 20_000;
const METHOD_NOT_ALLOWED = 405;

/**
 * Upstash's developer API over plain requests with basic authorisation. Reads, deletions and switches are retried after a
 * transient failure; a request that starts a backup or a restore is not. Redirects are not followed: the key is for its
 * host alone. Only `restToken` requests the database's own credentials. Source: upstash.com/docs/devops/developer-api
 */
export function upstashDeveloper(options: UpstashDeveloperOptions): UpstashAccount {
  const { clock, retry = RETRY } = options;
  const send = openSender(options);
  const request = async (call: Call): Promise<unknown> => accept(await send(call), clock).json;
  const requestWithRetry = (call: Call): Promise<unknown> => withRetry(clock, () => request(call), retry);
  const get = async <T>(schema: z.ZodType<T>, path: readonly string[], query?: string): Promise<T> => {
    const found = schema.safeParse(await requestWithRetry({ method: 'GET', path, query }));
    if (!found.success) throw foreignAnswerError();
    return found.data;
  };

  return {
    databases: () => get(z.array(databaseSchema), ['databases']),
    restToken: async (id) => (await get(tokenSchema, ['database', id])).rest_token,
    database: (id) => get(databaseSchema, ['database', id], 'credentials=hide'),
    backups: async (database) => (await get(z.array(backupSchema), ['list-backup', database])).sort(newestFirst),
    async createBackup(database, name) {
      await request({ method: 'POST', path: ['create-backup', database], body: { name } });
    },
    async deleteBackup(database, backup) {
      await requestWithRetry({ method: 'DELETE', path: ['delete-backup', database, backup] });
    },
    async restoreBackup(database, backup) {
      await request({ method: 'POST', path: ['restore-backup', database], body: { backup_id: backup } });
    },
    async setDailyBackup(database, on) {
      const path = [on ? 'enable-dailybackup' : 'disable-dailybackup', database];
      const patch = async (): Promise<RestAnswer> => {
        const answer = await send({ method: 'PATCH', path });
        return answer.status === METHOD_NOT_ALLOWED ? answer : accept(answer, clock);
      };
      // The documentation says PATCH; the vendor's own command line sends POST.
      const { status } = await withRetry(clock, patch, retry);
      if (status === METHOD_NOT_ALLOWED) await requestWithRetry({ method: 'POST', path });
    },
  };
}

/** The answer, if its status is 2xx. */
function accept(answer: RestAnswer, clock: Clock): RestAnswer {
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw refusalError(answer, clock.now());
}

function openSender({ url, email, apiKey, timeoutMs = TIMEOUT_MS }: UpstashDeveloperOptions) {
  const base = checkApiUrl(url, 'UPSTASH_API_URL');
  const authorization = `Basic ${Buffer.from(`${email}:${apiKey}`).toString('base64')}`;
  const headers = { authorization, accept: 'application/json' };
  return ({ method, path, body, query }: Call): Promise<RestAnswer> => {
    const address = `${base}/v2/redis/${path.map(segment).join('/')}${query === undefined ? '' : `?${query}`}`;
    return callRest({ method, url: address, headers, body }, timeoutMs, (why, cause) =>
      unavailableError(`Upstash's developer API ${cause === undefined ? why : 'cannot be reached'}`, cause),
    );
  };
}

/** An id as a path segment. In a URL, segments of dots would mean folders. */
function segment(id: string): string {
  if (id !== '' && !/^\.+$/.test(id)) return encodeURIComponent(id);
  throw new AppError('usage', 'An id is empty or consists of dots', {
    hint: 'Give the id of the database, and of the backup, as `npx soulcaster-backup upstash backups list --env-file .env` shows them.',
  });
}

/** Appended to a database's `endpoint` when that is only its name. */
const HOSTS = '.upstash.io';

const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]);

/** Source: the schema Backup of upstash.com/docs/devops/developer-api (openapi.yml). */
const backupSchema = z
  .object({
    backup_id: z.string().min(1),
    name: z.string().default(''),
    /** Seconds. */
    creation_time: z.number(),
    state: z.string(),
    backup_size: z.number().nonnegative().nullish(),
    daily_backup: flag.optional(),
    hourly_backup: flag.optional(),
  })
  .transform(({ backup_id, backup_size, creation_time, daily_backup, hourly_backup, name, state }): ProviderBackup => ({
    id: backup_id,
    name,
    createdAt: creation_time * 1000,
    state: state === 'pending' || state === 'completed' || state === 'failed' ? state : 'unknown',
    bytes: backup_size ?? null,
    made: hourly_backup === true ? 'hourly' : daily_backup === true ? 'daily' : 'by-hand',
  }));

function newestFirst(a: ProviderBackup, b: ProviderBackup): number {
  return b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1);
}

/** Source: the schema Database of the same file. */
const databaseSchema = z
  .object({
    database_id: z.string().min(1),
    database_name: z.string(),
    endpoint: z.string().min(1),
    state: z.string().default('active'),
    modifying_state: z.string().nullish(),
    type: z.string().nullish(),
    primary_region: z.string().nullish(),
    region: z.string().nullish(),
    daily_backup_enabled: flag.nullish(),
  })
  .transform(({ database_id, database_name, endpoint, modifying_state, ...raw }): ProviderDatabase => ({
    id: database_id,
    name: database_name,
    host: endpoint.includes('.') ? endpoint : endpoint + HOSTS,
    plan: raw.type ?? '',
    region: raw.primary_region ?? raw.region ?? '',
    state: raw.state,
    busy: modifying_state === undefined || modifying_state === null || modifying_state === '' ? null : modifying_state,
    dailyBackup: raw.daily_backup_enabled ?? null,
  }));

const tokenSchema = z.object({ rest_token: z.string().min(1) });

/** Statuses that may be caused by the plan. */
const MAY_BE_PLAN = [400, 403, 409, 422];
const PLAN_WORDS = /\b(plan|tier|upgrade|paid|subscription)\b/i;

/**
 * The error for an answer other than 2xx. The text of a refusal is matched and not repeated. Source of the statuses:
 * upstash.com/docs/devops/developer-api/http_status_codes; the refusal of a plan without backups is not documented.
 */
function refusalError({ status, headers, text }: RestAnswer, now: number): AppError {
  if (status === 401)
    return deniedError('Upstash does not accept UPSTASH_EMAIL and UPSTASH_API_KEY (HTTP 401)', NEW_KEY);
  if (status === 402 || (MAY_BE_PLAN.includes(status) && PLAN_WORDS.test(text)))
    return new AppError('upstash-plan', `The plan of this database does not allow it (HTTP ${status})`, {
      hint: 'Check the plan of the database in the Upstash console. The snapshots of this program do not depend on it.',
    });
  if (status === 403) return deniedError('The Upstash key may not do this (HTTP 403)', WIDER_KEY);
  if (status === 404)
    return new AppError('not-found', 'Upstash knows no such database or backup (HTTP 404)', {
      hint: 'Check UPSTASH_REDIS_ID (the id in the console, not the name), and `npx soulcaster-backup upstash backups list --env-file .env`.',
    });
  if (status === 429)
    return new AppError('upstash-limit', "The rate limit of Upstash's developer API is reached (HTTP 429)", {
      hint: 'Run the same command again in a minute.',
      transient: true,
      retryAfterMs: parseRetryAfter(headers.get('retry-after'), now),
    });
  if (status >= 500 || status === 408) return unavailableError(`Upstash's developer API answered HTTP ${status}`);
  if (status < 400) return foreignAnswerError();
  return new AppError('upstash-refused', `Upstash refused the request (HTTP ${status})`, {
    hint: 'Check the database in the Upstash console: another backup or restore may be under way, or its plan may have no backups.',
  });
}

function unavailableError(message: string, cause?: unknown): AppError {
  return new AppError('upstash-unavailable', message, {
    hint: 'Check status.upstash.com, and UPSTASH_API_URL if it is set; then run the same command again.',
    transient: true,
    cause,
  });
}

function foreignAnswerError(): AppError {
  return new AppError('upstash-unavailable', "What answered is not Upstash's developer API", {
    hint: 'Check UPSTASH_API_URL; the default is https://api.upstash.com.',
  });
}

const NEW_KEY =
  'Create a key in the Upstash console (Account, Management API) and set both. An account created through Vercel or Fly has no such API.';
const WIDER_KEY =
  'A read-only key can only list; a database of a team needs a key of that team, with your own UPSTASH_EMAIL.';

function deniedError(message: string, hint: string): AppError {
  return new AppError('upstash-denied', message, { hint });
}
