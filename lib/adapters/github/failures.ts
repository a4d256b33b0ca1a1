import { z } from 'zod';
import { AppError } from '../../errors.js';
import type { RestAnswer } from '../rest.js';
import { parseRetryAfter } from '../upstash-redis/failures.js';

const problemSchema = z.object({ message: z.string() });
/** A secondary limit without Retry-After: GitHub asks for a minute at least. */
const LEAST_WAIT_MS = 60_000;

/**
 * What an answer that is none of those hoped for means. GitHub's own text is looked at, never shown: it may quote.
 * Source: docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api
 */
export function refusalOf({ status, headers, json }: RestAnswer, now: number): AppError {
  const text = problemSchema.safeParse(json).data?.message ?? '';
  if (status === 401) return denied();
  if (status === 429 || (status === 403 && isLimit(headers, text))) return limited(headers, now);
  if (status === 403 && (headers.has('x-github-sso') || /\bSAML\b/i.test(text))) return singleSignOn();
  if (status === 403 && /suspended/i.test(text)) return suspended();
  if (status === 403 || status === 404) return underScoped();
  if (status >= 500 || status === 408) return unavailable(`GitHub answered HTTP ${status}`);
  return new AppError('github-unavailable', `GitHub answered HTTP ${status}, which was not to be expected`, {
    hint: 'Check GITHUB_API_URL: https://api.github.com, or https://HOST/api/v3 of a GitHub Enterprise Server.',
  });
}

export function unavailable(message: string, { cause }: { readonly cause?: unknown } = {}): AppError {
  return new AppError('github-unavailable', message, {
    hint: 'This says nothing about the credential. Look at githubstatus.com, and at GITHUB_API_URL if it is set.',
    transient: true,
    cause,
  });
}

function isLimit(headers: Headers, text: string): boolean {
  return headers.get('x-ratelimit-remaining') === '0' || headers.has('retry-after') || /rate limit/i.test(text);
}

/** Not transient: nothing here waits for an hour to be over, and asking on may get the token banned. */
function limited(headers: Headers, now: number): AppError {
  const reset = headers.get('x-ratelimit-remaining') === '0' ? Number(headers.get('x-ratelimit-reset')) * 1000 : 0;
  const until = reset > now ? reset - now : LEAST_WAIT_MS;
  const retryAfterMs = parseRetryAfter(headers.get('retry-after'), now) ?? until;
  return new AppError('github-limit', `GitHub's rate limit is reached, for ${Math.ceil(retryAfterMs / 1000)} s more`, {
    hint: 'The credential is not at fault: wait, and find out what asks so much with it.',
    retryAfterMs,
  });
}

function denied(): AppError {
  return new AppError('github-denied', 'GitHub does not accept the credential (HTTP 401)', {
    hint: 'It has expired, was revoked, or is not whole: make a new one and run `soulcaster-backup github rotate`.',
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
