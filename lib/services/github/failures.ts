import { z } from 'zod';
import { AppError } from '../../errors.js';
import type { RestAnswer } from '../rest.js';
import { parseRetryAfter } from '../retry.js';

const problemSchema = z.object({ message: z.string() });
/** A secondary limit without Retry-After: GitHub asks for a minute at least. */
const LEAST_WAIT_MS = 60_000;

/**
 * What an answer that is none of those hoped for means. GitHub's own text is looked at, never shown: it may quote.
 * Source: docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api
 */
export function refusalOf({ status, headers, json }: RestAnswer, now: number): AppError {
  const text = problemSchema.safeParse(json).data?.message;
  const mayBeBare = status >= 500 || status === 429 || status === 408;
  if (text === undefined && !mayBeBare) return foreign(status);
  if (status === 401) return denied();
  if (status === 429 || (status === 403 && isLimit(headers, text ?? ''))) return limited(headers, now);
  if (status === 403) return forbidden(headers, text ?? '');
  if (status >= 500 || status === 408) return unavailable(`GitHub answered HTTP ${status}`);
  return foreign(status);
}

/** What is not in the form of GitHub's API says nothing about a credential: a proxy, a page, another application. */
export function foreign(status: number): AppError {
  return new AppError('github-unavailable', `What answered (HTTP ${status}) is not the GitHub API`, {
    hint: 'Check GITHUB_API_URL: https://api.github.com, or https://HOST/api/v3 of a GitHub Enterprise Server; and whether a proxy stands in between.',
  });
}

/** Whether an answer has the form of GitHub's refusals. */
export function isProblem({ json }: Pick<RestAnswer, 'json'>): boolean {
  return problemSchema.safeParse(json).success;
}

export function unavailable(message: string, { cause }: { readonly cause?: unknown } = {}): AppError {
  return new AppError('github-unavailable', message, {
    hint: 'This says nothing about the credential. Look at githubstatus.com, and at GITHUB_API_URL if it is set.',
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

/** GitHub answers 403 for a dozen causes; its text tells them apart. Each `says` is of a real answer. */
const FORBIDDEN: readonly { readonly says: RegExp; readonly make: (text: string) => AppError }[] = [
  // "...the `org` organization has an IP allow list enabled, and your IP address is not permitted..."
  { says: /IP allow list|IP address is not permitted/i, make: () => notFromHere() },
  // "The 'org' organization forbids access via a fine-grained personal access tokens if the token's lifetime is greater than 366 days."
  { says: /lifetime is greater than/i, make: (text) => livesTooLong(text) },
  // "`org` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or..."
  { says: /forbids access via a personal access token \(classic\)/i, make: () => classicBanned() },
  { says: /forbids access via a fine-grained personal access token/i, make: () => fineGrainedBanned() },
  // "Although you appear to have the correct authorization credentials, the `org` organization has enabled OAuth App access restrictions..."
  { says: /OAuth App access restrictions/i, make: () => appNotApproved() },
  { says: /\bSAML\b|single sign-?on/i, make: () => singleSignOn() },
  // "Maximum number of login attempts exceeded. Please try again later."
  { says: /login attempts/i, make: () => manyWrong() },
  { says: /suspended/i, make: () => suspended() },
  { says: /terms of service|repository access blocked|repository .*disabled/i, make: () => blocked() },
  { says: /archived/i, make: () => archived() },
  { says: /administrative rules|User-Agent/i, make: () => unavailable('GitHub refused the form of the request') },
];

function forbidden(headers: Headers, text: string): AppError {
  if (headers.has('x-github-sso')) return singleSignOn();
  return FORBIDDEN.find(({ says }) => says.test(text))?.make(text) ?? underScoped();
}

/** Not transient: nothing here waits for an hour to be over, and asking on may get the token banned. */
function limited(headers: Headers, now: number): AppError {
  const reset = headers.get('x-ratelimit-remaining') === '0' ? Number(headers.get('x-ratelimit-reset')) * 1000 : 0;
  const until = reset > now ? reset - now : LEAST_WAIT_MS;
  const retryAfterMs = parseRetryAfter(headers.get('retry-after'), now) ?? until;
  // Counted for whom the credential is of: it was accepted. What is counted for an address was asked by nobody.
  const isOwn =
    headers.get('x-ratelimit-remaining') === '0' && Number(headers.get('x-ratelimit-limit')) > OF_AN_ADDRESS;
  return new AppError(
    isOwn ? 'github-exhausted' : 'github-limit',
    `GitHub's rate limit is reached, for ${Math.ceil(retryAfterMs / 1000)} s more`,
    {
      hint: 'The credential is not at fault: wait, and find out what asks so much with it. Then: `npx soulcaster-backup github check --env-file .env`.',
      retryAfterMs,
    },
  );
}

/** Requests an hour that GitHub lets an address make without a credential; every credential may make more. */
const OF_AN_ADDRESS = 60;

function manyWrong(): AppError {
  return new AppError('github-unavailable', 'GitHub refuses every credential from here, after several wrong ones', {
    hint: 'It lets good ones in again after some minutes. Find out what still asks with a wrong one, such as a deployment with an old GITHUB_TOKEN: `npx soulcaster-backup github rotate --env-file .env`.',
  });
}

function denied(): AppError {
  return new AppError('github-denied', 'GitHub does not accept the credential (HTTP 401)', {
    hint: 'It has expired, was revoked, or is not whole: make a new one and run `npx soulcaster-backup github rotate --env-file .env`.',
  });
}

function singleSignOn(): AppError {
  return new AppError('github-sso', 'An organization demands that the token be authorised for single sign-on', {
    hint: 'GitHub, Settings, Developer settings, the token, Configure SSO: authorise it for the organization.',
  });
}

function suspended(): AppError {
  return new AppError('github-suspended', 'The GitHub account or app is suspended', {
    hint: 'Ask support.github.com; until then use a token of another account, or an app of another owner.',
  });
}

function underScoped(): AppError {
  return new AppError('github-scope', 'The token is known to GitHub, but may not do this', {
    hint: 'Give a classic token the scope repo, a fine-grained one Contents, Issues and Pull requests (read and write).',
  });
}

function policy(message: string, hint: string): AppError {
  return new AppError('github-policy', message, { hint });
}

function notFromHere(): AppError {
  return policy(
    'The organization has an IP allow list, and the address that this program calls from is not on it',
    'The token is not at fault. Run it from an allowed address, or have an owner of the organization add this one (Settings, Authentication security, IP allow list); Vercel needs Secure Compute or a static address for that.',
  );
}

function livesTooLong(text: string): AppError {
  const days = /greater than (\d{1,4}) days/i.exec(text)?.[1];
  return policy(
    `The organization refuses tokens that live longer than ${days === undefined ? 'its policy allows' : `${days} days`}`,
    'On GitHub (Settings, Developer settings) regenerate the token with a shorter life, then run `npx soulcaster-backup github rotate --env-file .env`.',
  );
}

function classicBanned(): AppError {
  return policy(
    'The organization does not admit classic personal access tokens',
    'Make a fine-grained token with Contents, Issues and Pull requests (read and write), then run `npx soulcaster-backup github rotate --env-file .env`.',
  );
}

function fineGrainedBanned(): AppError {
  return policy(
    'The organization does not admit fine-grained personal access tokens, or has not approved this one',
    'Have an owner of the organization approve the token (Settings, Personal access tokens), or use a token of another kind.',
  );
}

function appNotApproved(): AppError {
  return policy(
    'The organization restricts OAuth apps, and has not approved the one that this token is of',
    'Have an owner of the organization approve the app (Settings, Third-party access, OAuth app policy).',
  );
}

function blocked(): AppError {
  return policy('GitHub has blocked the repository', 'The token is not at fault: ask support.github.com.');
}

function archived(): AppError {
  return policy(
    'The repository is archived, so that nobody may write to it',
    'Unarchive it on GitHub, or take it out of GITHUB_CHECK_REPOS.',
  );
}
