import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../ports/clock.js';
import type { GitHub, GitHubIdentity, GitHubRate } from '../../ports/github.js';
import { foreignAnswerError, isGitHubProblem, refusalError, unavailableError } from './failures.js';
import { checkApiUrl, callRest, checkToken, type RestAnswer, type RestCall } from '../rest.js';
import { withRetry, type RetryPolicy } from '../retry.js';

interface GitHubOptions {
  /** `GITHUB_API_URL`: https://api.github.com, or the address of a GitHub Enterprise Server with /api/v3. */
  readonly url: string;
  readonly clock: Clock;
  /** Default: three attempts within seconds; a check of credentials must not delay the run it belongs to. */
  readonly retry?: RetryPolicy;
  /** For one request with its answer. Default 5 s. */
  readonly timeoutMs?: number;
}

const RETRY: RetryPolicy = { attempts: 3, baseMs: 300, capMs: 5_000 };
/** Three attempts must fit into the time limit of a check. */
const TIMEOUT_MS = 5_000;
const VERSION = { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' };

const identitySchema = z.object({ login: z.string().min(1) });
const repositorySchema = z.object({ permissions: z.object({ push: z.boolean() }).optional() });

/**
 * GitHub's REST API over plain requests. A token's scopes are in X-OAuth-Scopes, which fine-grained tokens do not have,
 * and its expiry in GitHub-Authentication-Token-Expiration. A pair of client id and secret is tested on a token that does
 * not exist: the answer is 404 or 422 for a valid pair, 401 for an invalid one.
 * Sources: docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api, /rest/users/users,
 * /rest/apps/oauth-applications#check-a-token, /apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
 */
export function githubRest(options: GitHubOptions): GitHub {
  const base = checkApiUrl(options.url, 'GITHUB_API_URL');
  const { clock, retry = RETRY, timeoutMs = TIMEOUT_MS } = options;
  /** `accepts`: statuses that are not refusals. */
  const call = (rest: Omit<RestCall, 'url'> & { readonly path: string }, accepts: readonly number[]) =>
    withRetry(
      clock,
      async () => {
        const { method, path, headers, body } = rest;
        const request = { method, url: base + path, headers: { ...VERSION, ...headers }, body };
        const answer = await callRest(request, timeoutMs, (why, cause) => unavailableError(`GitHub ${why}`, { cause }));
        if (!accepts.includes(answer.status)) throw refusalError(answer, clock.now());
        // A page of another application may have any status, most often 404.
        if (answer.status >= 400 && !isGitHubProblem(answer)) throw foreignAnswerError(answer.status);
        return answer;
      },
      retry,
    );

  return {
    async identify(token) {
      return parseIdentity(await call({ method: 'GET', path: '/user', headers: bearer(token) }, [200]));
    },

    async repository(token, name) {
      const [owner = '', repository = ''] = name.split('/');
      const path = `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(repository)}`;
      const answer = await call({ method: 'GET', path, headers: bearer(token) }, [200, 301, 307, 404]);
      if (answer.status === 404) return 'hidden';
      if (answer.status !== 200) return 'moved';
      const found = repositorySchema.safeParse(answer.json);
      if (!found.success) throw foreignAnswerError(answer.status);
      return found.data.permissions?.push === true ? 'write' : 'read';
    },

    async checkApp(clientId, clientSecret) {
      const pair = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
      const path = `/applications/${encodeURIComponent(clientId)}/token`;
      const body = { access_token: `gho_${randomBytes(18).toString('hex')}` };
      // 200 is not accepted: the token was just made up.
      await call({ method: 'POST', path, headers: { authorization: `Basic ${pair}` }, body }, [404, 422]);
    },
  };
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${checkToken(token, 'GITHUB_TOKEN')}` };
}

function parseIdentity({ json, headers, status }: RestAnswer): GitHubIdentity {
  const user = identitySchema.safeParse(json);
  if (!user.success) throw foreignAnswerError(status);
  const scopes = headers.get('x-oauth-scopes');
  return {
    login: user.data.login,
    scopes: scopes?.split(',').flatMap((scope) => scope.trim() || []) ?? null,
    expiresAt: parseExpiry(headers.get('github-authentication-token-expiration')),
    rate: parseRate(headers),
  };
}

/** `2026-12-31 23:59:59 UTC`, or with an offset such as `+0200` in place of UTC. */
function parseExpiry(text: string | null): number | null {
  if (text === null) return null;
  const time = Date.parse(text.replace(/ UTC$/, 'Z').replace(' ', 'T').replace(' ', ''));
  return Number.isNaN(time) ? null : time;
}

function parseRate(headers: Headers): GitHubRate | null {
  const number = (name: string): number => Number(headers.get(`x-ratelimit-${name}`) ?? Number.NaN);
  const [limit, remaining, reset] = [number('limit'), number('remaining'), number('reset')];
  if ([limit, remaining, reset].some(Number.isNaN)) return null;
  return { limit, remaining, resetsAt: reset * 1000 };
}
