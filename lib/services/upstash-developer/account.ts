import { readText } from '../answer-text.js';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { UpstashAccount } from '../../ports/upstash-account.js';
import { toBackups, toDatabase, toDatabases, toRestToken } from './answers.js';
import { refusalError, unavailableError, type DeveloperAnswer } from './failures.js';
import { checkApiUrl } from '../rest.js';
import { withRetry, type RetryPolicy } from '../retry.js';

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

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

interface Call {
  readonly method: Method;
  /** Below /v2/redis. */
  readonly path: readonly string[];
  readonly body?: object;
  readonly query?: string;
}

const RETRY: RetryPolicy = { attempts: 4, baseMs: 500, capMs: 30_000 };
const TIMEOUT_MS = 20_000;
/** Longer than any list of databases or backups. */
const MAX_BYTES = 16 * 1024 * 1024;
const METHOD_NOT_ALLOWED = 405;

/**
 * Upstash's developer API over plain requests with basic authorisation. Reads, deletions and switches are retried after a
 * transient failure; a request that starts a backup or a restore is not. Redirects are not followed: the key is for its
 * host alone. Only `restToken` requests the database's own credentials. Source: upstash.com/docs/devops/developer-api
 */
export function upstashDeveloper(options: UpstashDeveloperOptions): UpstashAccount {
  const { clock, retry = RETRY } = options;
  const send = openSender(options);
  const request = async (call: Call): Promise<string> => {
    const answer = await send(call);
    if (answer.status >= 200 && answer.status < 300) return answer.text;
    throw refusalError(answer, clock.now());
  };
  const requestWithRetry = (call: Call): Promise<string> => withRetry(clock, () => request(call), retry);

  return {
    async databases() {
      return toDatabases(await requestWithRetry({ method: 'GET', path: ['databases'] }));
    },
    async restToken(id) {
      return toRestToken(await requestWithRetry({ method: 'GET', path: ['database', id] }));
    },
    async database(id) {
      return toDatabase(await requestWithRetry({ method: 'GET', path: ['database', id], query: 'credentials=hide' }));
    },
    async backups(database) {
      return toBackups(await requestWithRetry({ method: 'GET', path: ['list-backup', database] }));
    },
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
      // The documentation says PATCH; the vendor's own command line sends POST.
      const answer = await withRetry(clock, () => sendSwitch(send, { method: 'PATCH', path }, clock), retry);
      if (answer.status === METHOD_NOT_ALLOWED) await requestWithRetry({ method: 'POST', path });
    },
  };
}

/** The answer, when the request succeeded or another method is required. */
async function sendSwitch(send: Send, call: Call, clock: Clock): Promise<DeveloperAnswer> {
  const answer = await send(call);
  if (answer.status === METHOD_NOT_ALLOWED || (answer.status >= 200 && answer.status < 300)) return answer;
  throw refusalError(answer, clock.now());
}

type Send = (call: Call) => Promise<DeveloperAnswer>;

function openSender({ url, email, apiKey, timeoutMs = TIMEOUT_MS }: UpstashDeveloperOptions): Send {
  const base = checkApiUrl(url, 'UPSTASH_API_URL');
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
        text: await readText(response, MAX_BYTES),
      };
    } catch (cause) {
      if (signal.aborted) throw unavailableError(`Upstash's developer API did not answer within ${timeoutMs} ms`);
      throw unavailableError("Upstash's developer API cannot be reached", cause);
    }
  };
}

/** An id as a path segment. In a URL, segments of dots would mean folders. */
function segment(id: string): string {
  if (id !== '' && !/^\.+$/.test(id)) return encodeURIComponent(id);
  throw new AppError('usage', 'An id is empty or consists of dots', {
    hint: 'Give the id of the database, and of the backup, as `npx soulcaster-backup upstash backups list --env-file .env` shows them.',
  });
}
