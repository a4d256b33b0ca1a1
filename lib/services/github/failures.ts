import { z } from 'zod';
import { AppError } from '../../errors.js';
import type { RestAnswer } from '../rest.js';
import { parseRetryAfter } from '../retry.js';

const problemSchema = z.object({ message: z.string() });
/** For a secondary limit without Retry-After: GitHub demands at least a minute. */
const MIN_WAIT_MS = 60_000;

/**
 * The error for an answer that was not accepted. GitHub's own text is matched, never shown: it may quote the request.
 * Source: docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api
 */
export function refusalError({ status, headers, json }: RestAnswer, now: number): AppError {
  const text = problemSchema.safeParse(json).data?.message;
  const mayLackMessage = status >= 500 || status === 429 || status === 408;
  if (text === undefined && !mayLackMessage) return foreignAnswerError(status);
  if (status === 401) return deniedError();
  if (status === 429 || (status === 403 && isLimit(headers, text ?? ''))) return rateLimitError(headers, now);
  if (status === 403) return forbiddenError(headers, text ?? '');
  if (status >= 500 || status === 408) return unavailableError(`GitHub answered HTTP ${status}`);
  return foreignAnswerError(status);
}

/** An answer in another form than GitHub's API (a proxy, a page, another application) says nothing about the credential. */
export function foreignAnswerError(status: number): AppError {
  return new AppError('github-unavailable', `What answered (HTTP ${status}) is not the GitHub API`, {
    hint: 'Check GITHUB_API_URL: https://api.github.com, or https://HOST/api/v3 of a GitHub Enterprise Server; and whether a proxy stands in between.',
  });
}

/** Whether an answer has the form of GitHub's refusals. */
export function isGitHubProblem({ json }: Pick<RestAnswer, 'json'>): boolean {
  return problemSchema.safeParse(json).success;
}

export function unavailableError(message: string, { cause }: { readonly cause?: unknown } = {}): AppError {
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
const FORBIDDEN: readonly { readonly matches: RegExp; readonly toError: (text: string) => AppError }[] = [
  // "...the `org` organization has an IP allow list enabled, and your IP address is not permitted..."
  { matches: /IP allow list|IP address is not permitted/i, toError: () => ipAllowListError() },
  // "The 'org' organization forbids access via a fine-grained personal access tokens if the token's lifetime is greater than 366 days."
  { matches: /lifetime is greater than/i, toError: (text) => lifetimeError(text) },
  // "`org` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or..."
  { matches: /forbids access via a personal access token \(classic\)/i, toError: () => classicTokenError() },
  { matches: /forbids access via a fine-grained personal access token/i, toError: () => fineGrainedTokenError() },
  // "Although you appear to have the correct authorization credentials, the `org` organization has enabled OAuth App access restrictions..."
  { matches: /OAuth App access restrictions/i, toError: () => oauthAppError() },
  { matches: /\bSAML\b|single sign-?on/i, toError: () => singleSignOnError() },
  // "Maximum number of login attempts exceeded. Please try again later."
  { matches: /login attempts/i, toError: () => loginAttemptsError() },
  { matches: /suspended/i, toError: () => suspendedError() },
  { matches: /terms of service|repository access blocked|repository .*disabled/i, toError: () => blockedError() },
  { matches: /archived/i, toError: () => archivedError() },
  {
    matches: /administrative rules|User-Agent/i,
    toError: () => unavailableError('GitHub refused the form of the request'),
  },
];

function forbiddenError(headers: Headers, text: string): AppError {
  if (headers.has('x-github-sso')) return singleSignOnError();
  return FORBIDDEN.find(({ matches }) => matches.test(text))?.toError(text) ?? scopeError();
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

function loginAttemptsError(): AppError {
  return new AppError('github-unavailable', 'GitHub refuses every credential from here, after several wrong ones', {
    hint: 'GitHub accepts valid credentials again after some minutes. Find out what still uses a wrong one, such as a deployment with an old GITHUB_TOKEN: `npx soulcaster-backup github rotate --env-file .env`.',
  });
}

function deniedError(): AppError {
  return new AppError('github-denied', 'GitHub does not accept the credential (HTTP 401)', {
    hint: 'It has expired, was revoked, or was copied incompletely: create a new one and run `npx soulcaster-backup github rotate --env-file .env`.',
  });
}

function singleSignOnError(): AppError {
  return new AppError('github-sso', 'An organization demands that the token be authorised for single sign-on', {
    hint: 'GitHub, Settings, Developer settings, the token, Configure SSO: authorise it for the organization.',
  });
}

function suspendedError(): AppError {
  return new AppError('github-suspended', 'The GitHub account or app is suspended', {
    hint: 'Contact support.github.com; until then use a token of another account, or an app of another owner.',
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

function ipAllowListError(): AppError {
  return policyError(
    'The organization has an IP allow list, and the address that this program calls from is not on it',
    'The token is not at fault. Run it from an allowed address, or have an owner of the organization add this one (Settings, Authentication security, IP allow list); Vercel needs Secure Compute or a static address for that.',
  );
}

function lifetimeError(text: string): AppError {
  const days = /greater than (\d{1,4}) days/i.exec(text)?.[1];
  return policyError(
    `The organization refuses tokens that live longer than ${days === undefined ? 'its policy allows' : `${days} days`}`,
    'On GitHub (Settings, Developer settings) regenerate the token with a shorter life, then run `npx soulcaster-backup github rotate --env-file .env`.',
  );
}

function classicTokenError(): AppError {
  return policyError(
    'The organization does not admit classic personal access tokens',
    'Make a fine-grained token with Contents, Issues and Pull requests (read and write), then run `npx soulcaster-backup github rotate --env-file .env`.',
  );
}

function fineGrainedTokenError(): AppError {
  return policyError(
    'The organization does not admit fine-grained personal access tokens, or has not approved this one',
    'Have an owner of the organization approve the token (Settings, Personal access tokens), or use a token of another kind.',
  );
}

function oauthAppError(): AppError {
  return policyError(
    'The organization restricts OAuth apps, and has not approved the app that issued this token',
    'Have an owner of the organization approve the app (Settings, Third-party access, OAuth app policy).',
  );
}

function blockedError(): AppError {
  return policyError('GitHub has blocked the repository', 'The token is not at fault: contact support.github.com.');
}

function archivedError(): AppError {
  return policyError(
    'The repository is archived, so it is read-only',
    'Unarchive it on GitHub, or remove it from GITHUB_CHECK_REPOS.',
  );
}
