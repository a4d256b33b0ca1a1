import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { GitHub, GitHubIdentity, GitHubRate } from '../ports/github.js';
import { callRest, checkApiUrl, checkToken, type RestAnswer, type RestCall } from './rest.js';
import { parseRetryAfter, type RetryPolicy, withRetry } from './retry.js';

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
        const answer = await callRest(request, timeoutMs, (why, cause) => unavailableError(`GitHub ${why}`, cause));
        if (!accepts.includes(answer.status)) throw refusalError(answer, clock.now());
        // A page of another application may have any status, most often 404.
        if (answer.status >= 400 && !problemSchema.safeParse(answer.json).success)
          throw foreignAnswerError(answer.status);
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

const problemSchema = z.object({ message: z.string() });
/** For a secondary limit without Retry-After: GitHub demands at least a minute. */
const MIN_WAIT_MS = 60_000;

/**
 * The error for an answer that was not accepted. GitHub's own text is matched, never shown: it may quote the request.
 * Source: docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api
 */
function refusalError({ status, headers, json }: RestAnswer, now: number): AppError {
  const text = problemSchema.safeParse(json).data?.message;
  const mayLackMessage = status >= 500 || status === 429 || status === 408;
  if (text === undefined && !mayLackMessage) return foreignAnswerError(status);
  if (status === 401)
    return new AppError('github-denied', 'GitHub does not accept the credential (HTTP 401)', {
      hint: 'It has expired, was revoked, or was copied incompletely: create a new one and run `npx soulcaster-backup github rotate --env-file .env`.',
    });
  if (status === 429 || (status === 403 && isLimit(headers, text ?? ''))) return rateLimitError(headers, now);
  if (status === 403) return forbiddenError(headers, text ?? '');
  if (status >= 500 || status === 408) return unavailableError(`GitHub answered HTTP ${status}`);
  return foreignAnswerError(status);
}

/** An answer in another form than GitHub's API (a proxy, a page, another application) says nothing about the credential. */
function foreignAnswerError(status: number): AppError {
  return new AppError('github-unavailable', `What answered (HTTP ${status}) is not the GitHub API`, {
    hint: 'Check GITHUB_API_URL: https://api.github.com, or https://HOST/api/v3 of a GitHub Enterprise Server; and whether a proxy stands in between.',
  });
}

function unavailableError(message: string, cause?: unknown): AppError {
  return new AppError('github-unavailable', message, {
    hint: 'This says nothing about the credential. Check githubstatus.com, and GITHUB_API_URL if it is set.',
    transient: true,
    cause,
  });
}

function isLimit(headers: Headers, text: string): boolean {
  return (
    headers.get('x-ratelimit-remaining') === '0' ||
    headers.has('retry-after') ||
    /rate limit|abuse detection|content creation has been|blocked from content creation/i.test(text)
  );
}

/** GitHub answers 403 for a dozen causes, which its text distinguishes. Each pattern matches a real answer. */
const FORBIDDEN: readonly (readonly [text: RegExp, toError: (text: string) => AppError])[] = [
  // "...the `org` organization has an IP allow list enabled, and your IP address is not permitted..."
  [
    /IP allow list|IP address is not permitted/i,
    () =>
      policyError(
        'The organization has an IP allow list, and the address that this program calls from is not on it',
        'The token is not at fault. Run it from an allowed address, or have an owner of the organization add this one (Settings, Authentication security, IP allow list); Vercel needs Secure Compute or a static address for that.',
      ),
  ],
  // "The 'org' organization forbids access via a fine-grained personal access tokens if the token's lifetime is greater than 366 days."
  [/lifetime is greater than/i, lifetimeError],
  // "`org` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or..."
  [
    /forbids access via a personal access token \(classic\)/i,
    () =>
      policyError(
        'The organization does not admit classic personal access tokens',
        'Make a fine-grained token with Contents, Issues and Pull requests (read and write), then run `npx soulcaster-backup github rotate --env-file .env`.',
      ),
  ],
  [
    /forbids access via a fine-grained personal access token/i,
    () =>
      policyError(
        'The organization does not admit fine-grained personal access tokens, or has not approved this one',
        'Have an owner of the organization approve the token (Settings, Personal access tokens), or use a token of another kind.',
      ),
  ],
  // "Although you appear to have the correct authorization credentials, the `org` organization has enabled OAuth App access restrictions..."
  [
    /OAuth App access restrictions/i,
    () =>
      policyError(
        'The organization restricts OAuth apps, and has not approved the app that issued this token',
        'Have an owner of the organization approve the app (Settings, Third-party access, OAuth app policy).',
      ),
  ],
  [/\bSAML\b|single sign-?on/i, singleSignOnError],
  // "Maximum number of login attempts exceeded. Please try again later."
  [
    /login attempts/i,
    () =>
      new AppError('github-unavailable', 'GitHub refuses every credential from here, after several wrong ones', {
        hint: 'GitHub accepts valid credentials again after some minutes. Find out what still uses a wrong one, such as a deployment with an old GITHUB_TOKEN: `npx soulcaster-backup github rotate --env-file .env`.',
      }),
  ],
  [
    /suspended/i,
    () =>
      new AppError('github-suspended', 'The GitHub account or app is suspended', {
        hint: 'Contact support.github.com; until then use a token of another account, or an app of another owner.',
      }),
  ],
  [
    /terms of service|repository access blocked|repository .*disabled/i,
    () => policyError('GitHub has blocked the repository', 'The token is not at fault: contact support.github.com.'),
  ],
  [
    /archived/i,
    () =>
      policyError(
        'The repository is archived, so it is read-only',
        'Unarchive it on GitHub, or remove it from GITHUB_CHECK_REPOS.',
      ),
  ],
  [/administrative rules|User-Agent/i, () => unavailableError('GitHub refused the form of the request')],
];

function forbiddenError(headers: Headers, text: string): AppError {
  if (headers.has('x-github-sso')) return singleSignOnError();
  return FORBIDDEN.find(([pattern]) => pattern.test(text))?.[1](text) ?? scopeError();
}

/** Not transient: no retry here waits an hour, and further requests may get the token banned. */
function rateLimitError(headers: Headers, now: number): AppError {
  const reset = headers.get('x-ratelimit-remaining') === '0' ? Number(headers.get('x-ratelimit-reset')) * 1000 : 0;
  const until = reset > now ? reset - now : MIN_WAIT_MS;
  const retryAfterMs = parseRetryAfter(headers.get('retry-after'), now) ?? until;
  // A limit above the anonymous one belongs to the credential, so GitHub accepted it. The anonymous one belongs to the address.
  const isOfCredential =
    headers.get('x-ratelimit-remaining') === '0' && Number(headers.get('x-ratelimit-limit')) > ANONYMOUS_LIMIT;
  return new AppError(
    isOfCredential ? 'github-exhausted' : 'github-limit',
    `GitHub's rate limit is reached, for ${Math.ceil(retryAfterMs / 1000)} s more`,
    {
      hint: 'The credential is not at fault: wait, and find out which client sends too many requests with it. Then: `npx soulcaster-backup github check --env-file .env`.',
      retryAfterMs,
    },
  );
}

/** Requests an hour that GitHub allows an address without a credential; every credential is allowed more. */
const ANONYMOUS_LIMIT = 60;

function singleSignOnError(): AppError {
  return new AppError('github-sso', 'An organization demands that the token be authorised for single sign-on', {
    hint: 'GitHub, Settings, Developer settings, the token, Configure SSO: authorise it for the organization.',
  });
}

function scopeError(): AppError {
  return new AppError('github-scope', 'The token is known to GitHub, but may not do this', {
    hint: 'Give a classic token the scope repo, a fine-grained one Contents, Issues and Pull requests (read and write).',
  });
}

function policyError(message: string, hint: string): AppError {
  return new AppError('github-policy', message, { hint });
}

function lifetimeError(text: string): AppError {
  const days = /greater than (\d{1,4}) days/i.exec(text)?.[1];
  return policyError(
    `The organization refuses tokens that live longer than ${days === undefined ? 'its policy allows' : `${days} days`}`,
    'On GitHub (Settings, Developer settings) regenerate the token with a shorter life, then run `npx soulcaster-backup github rotate --env-file .env`.',
  );
}
