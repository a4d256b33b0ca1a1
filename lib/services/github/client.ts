import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../ports/clock.js';
import type { GitHub, GitHubIdentity, GitHubRate } from '../../ports/github.js';
import { foreign, isProblem, refusalOf, unavailable } from './failures.js';
import { apiUrl, callRest, headerSafe, type RestAnswer, type RestCall } from '../rest.js';
import { withRetry, type RetryPolicy } from '../retry.js';

interface GitHubOptions {
  /** `GITHUB_API_URL`: https://api.github.com, or that of a GitHub Enterprise Server with /api/v3. */
  readonly url: string;
  readonly clock: Clock;
  /** Default: three tries within seconds; a check of credentials must not hold up what it is for. */
  readonly retry?: RetryPolicy;
  /** For one request with its answer. Default 5 s. */
  readonly timeoutMs?: number;
}

const RETRY: RetryPolicy = { attempts: 3, baseMs: 300, capMs: 5_000 };
/** So that three tries fit into the time that a check may take. */
const TIMEOUT_MS = 5_000;
const VERSION = { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' };

const identitySchema = z.object({ login: z.string().min(1) });
const repositorySchema = z.object({ permissions: z.object({ push: z.boolean() }).optional() });

/**
 * GitHub's REST API over plain requests. A token's scopes are in X-OAuth-Scopes, which fine-grained tokens do not have,
 * and its end in GitHub-Authentication-Token-Expiration. A pair of client id and secret is tried on a token that does
 * not exist: 404 or 422 answers a good pair, 401 a bad one.
 * Sources: docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api, /rest/users/users,
 * /rest/apps/oauth-applications#check-a-token, /apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
 */
export function githubRest(options: GitHubOptions): GitHub {
  const base = apiUrl(options.url, 'GITHUB_API_URL');
  const { clock, retry = RETRY, timeoutMs = TIMEOUT_MS } = options;
  /** `accepts` are statuses that are answers, and no refusal. */
  const call = (rest: Omit<RestCall, 'url'> & { readonly path: string }, accepts: readonly number[]) =>
    withRetry(
      clock,
      async () => {
        const { method, path, headers, body } = rest;
        const request = { method, url: base + path, headers: { ...VERSION, ...headers }, body };
        const answer = await callRest(request, timeoutMs, (why, cause) => unavailable(`GitHub ${why}`, { cause }));
        if (!accepts.includes(answer.status)) throw refusalOf(answer, clock.now());
        // A page of something else may have any status, 404 above all.
        if (answer.status >= 400 && !isProblem(answer)) throw foreign(answer.status);
        return answer;
      },
      retry,
    );

  return {
    async identify(token) {
      return identityOf(await call({ method: 'GET', path: '/user', headers: bearer(token) }, [200]));
    },

    async repository(token, name) {
      const [owner = '', repository = ''] = name.split('/');
      const path = `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(repository)}`;
      const answer = await call({ method: 'GET', path, headers: bearer(token) }, [200, 301, 307, 404]);
      if (answer.status === 404) return 'hidden';
      if (answer.status !== 200) return 'moved';
      const found = repositorySchema.safeParse(answer.json);
      if (!found.success) throw foreign(answer.status);
      return found.data.permissions?.push === true ? 'write' : 'read';
    },

    async checkApp(clientId, clientSecret) {
      const pair = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
      const path = `/applications/${encodeURIComponent(clientId)}/token`;
      const body = { access_token: `gho_${randomBytes(18).toString('hex')}` };
      // 200 would be of a token that was made up just now.
      await call({ method: 'POST', path, headers: { authorization: `Basic ${pair}` }, body }, [404, 422]);
    },
  };
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${headerSafe(token, 'GITHUB_TOKEN')}` };
}

function identityOf({ json, headers, status }: RestAnswer): GitHubIdentity {
  const user = identitySchema.safeParse(json);
  if (!user.success) throw foreign(status);
  const scopes = headers.get('x-oauth-scopes');
  return {
    login: user.data.login,
    scopes: scopes?.split(',').flatMap((scope) => scope.trim() || []) ?? null,
    expiresAt: expiryOf(headers.get('github-authentication-token-expiration')),
    rate: rateOf(headers),
  };
}

/** `2026-12-31 23:59:59 UTC`, or with an offset such as `+0200` in place of UTC. */
function expiryOf(text: string | null): number | null {
  if (text === null) return null;
  const time = Date.parse(text.replace(/ UTC$/, 'Z').replace(' ', 'T').replace(' ', ''));
  return Number.isNaN(time) ? null : time;
}

function rateOf(headers: Headers): GitHubRate | null {
  const number = (name: string): number => Number(headers.get(`x-ratelimit-${name}`) ?? Number.NaN);
  const [limit, remaining, reset] = [number('limit'), number('remaining'), number('reset')];
  if ([limit, remaining, reset].some(Number.isNaN)) return null;
  return { limit, remaining, resetsAt: reset * 1000 };
}
