import { textOf } from '../answer-text.js';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { UpstashAccount } from '../../ports/upstash-account.js';
import { toBackups, toDatabase, toDatabases, toRestToken } from './answers.js';
import { refusalOf, unavailable, type DeveloperAnswer } from './failures.js';
import { apiUrl } from '../rest.js';
import { withRetry, type RetryPolicy } from '../retry.js';

export interface UpstashDeveloperOptions {
  /** `UPSTASH_API_URL`: https://api.upstash.com. */
  readonly url: string;
  /** The account's, also where the key is a team's. */
  readonly email: string;
  readonly apiKey: string;
  readonly clock: Clock;
  /** Default: four tries within half a minute. */
  readonly retry?: RetryPolicy;
  /** For one request with its answer. Default 20 s. */
  readonly timeoutMs?: number;
}

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

interface Call {
  readonly method: Method;
  /** Below /v2/redis. */
  readonly path: readonly string[];
  readonly body?: object;
  readonly query?: string;
}

const RETRY: RetryPolicy = { attempts: 4, baseMs: 500, capMs: 30_000 };
const ONCE: RetryPolicy = { ...RETRY, attempts: 1 };
const TIMEOUT_MS = 20_000;
/** No list of databases or backups is longer. */
const MOST_BYTES = 16 * 1024 * 1024;
const METHOD_NOT_ALLOWED = 405;

/**
 * Upstash's developer API over plain requests with basic authorisation. Reading, deleting and switching are sent again
 * after a transient failure; what begins a backup or a restore is not. Redirects are not followed: the key is for its
 * host alone. The database's own credentials are asked for by `restToken` alone. Source: upstash.com/docs/devops/developer-api
 */
export function upstashDeveloper(options: UpstashDeveloperOptions): UpstashAccount {
  const { clock, retry = RETRY } = options;
  const send = sender(options);
  const ask = async (call: Call): Promise<string> => {
    const answer = await send(call);
    if (answer.status >= 200 && answer.status < 300) return answer.text;
    throw refusalOf(answer, clock.now());
  };
  const again = (call: Call): Promise<string> => withRetry(clock, () => ask(call), retry);
  const once = (call: Call): Promise<string> => withRetry(clock, () => ask(call), ONCE);

  return {
    async databases() {
      return toDatabases(await again({ method: 'GET', path: ['databases'] }));
    },
    async restToken(id) {
      return toRestToken(await again({ method: 'GET', path: ['database', id] }));
    },
    async database(id) {
      return toDatabase(await again({ method: 'GET', path: ['database', id], query: 'credentials=hide' }));
    },
    async backups(database) {
      return toBackups(await again({ method: 'GET', path: ['list-backup', database] }));
    },
    async createBackup(database, name) {
      await once({ method: 'POST', path: ['create-backup', database], body: { name } });
    },
    async deleteBackup(database, backup) {
      await again({ method: 'DELETE', path: ['delete-backup', database, backup] });
    },
    async restoreBackup(database, backup) {
      await once({ method: 'POST', path: ['restore-backup', database], body: { backup_id: backup } });
    },
    async setDailyBackup(database, on) {
      const path = [on ? 'enable-dailybackup' : 'disable-dailybackup', database];
      // The documentation says PATCH, the vendor's own command line sends POST.
      const answer = await withRetry(clock, () => accepted(send, { method: 'PATCH', path }, clock), retry);
      if (answer.status === METHOD_NOT_ALLOWED) await again({ method: 'POST', path });
    },
  };
}

/** The answer, if it is a yes or says that another method is wanted. */
async function accepted(send: Send, call: Call, clock: Clock): Promise<DeveloperAnswer> {
  const answer = await send(call);
  if (answer.status === METHOD_NOT_ALLOWED || (answer.status >= 200 && answer.status < 300)) return answer;
  throw refusalOf(answer, clock.now());
}

type Send = (call: Call) => Promise<DeveloperAnswer>;

function sender({ url, email, apiKey, timeoutMs = TIMEOUT_MS }: UpstashDeveloperOptions): Send {
  const base = apiUrl(url, 'UPSTASH_API_URL');
  const authorization = `Basic ${Buffer.from(`${email}:${apiKey}`).toString('base64')}`;
  return async ({ method, path, body, query }) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const headers = { authorization, accept: 'application/json', 'user-agent': 'soulcaster-backup' };
    const target = `${base}/v2/redis/${path.map(segment).join('/')}${query === undefined ? '' : `?${query}`}`;
    try {
      const response = await fetch(target, {
        method,
        redirect: 'manual',
        signal,
        headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return {
        status: response.status,
        retryAfter: response.headers.get('retry-after'),
        text: await textOf(response, MOST_BYTES),
      };
    } catch (cause) {
      if (signal.aborted) throw unavailable(`Upstash's developer API did not answer within ${timeoutMs} ms`);
      throw unavailable("Upstash's developer API cannot be reached", cause);
    }
  };
}

/** An id as a segment of a path. A URL takes dots for folders. */
function segment(id: string): string {
  if (id !== '' && !/^\.+$/.test(id)) return encodeURIComponent(id);
  throw new AppError('usage', 'An id is empty or of dots alone', {
    hint: 'Give the id of the database, and of the backup, as `npx soulcaster-backup upstash backups list --env-file .env` shows them.',
  });
}
