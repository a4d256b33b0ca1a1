import { z } from 'zod';
import { AppError } from '../../errors.js';
import type { RestAnswer } from '../rest.js';
import { parseRetryAfter } from '../retry.js';

const problemSchema = z.object({
  error: z.object({ code: z.string().optional(), limit: z.object({ resetMs: z.number().optional() }).optional() }),
});

/** The error for an answer other than 2xx. Source: vercel.com/docs/rest-api/errors */
export function refusalError({ status, headers, json }: RestAnswer, now: number): AppError {
  const { code, limit } = problemSchema.safeParse(json).data?.error ?? {};
  // Vercel's codes are single words; any other text is not repeated.
  const word = code !== undefined && /^[A-Za-z_-]{1,60}$/.test(code) ? `, ${code}` : '';
  if (status === 401 || status === 403) return deniedError(`${status}${word}`);
  if (status === 429) {
    const reset = limit?.resetMs === undefined ? undefined : Math.max(0, limit.resetMs - now);
    return rateLimitError(parseRetryAfter(headers.get('retry-after'), now) ?? reset);
  }
  if (status >= 500 || status === 408) return unavailableError(`Vercel answered HTTP ${status}`);
  if (status === 404) return refusedError(`knows no such project, variable or deployment (HTTP 404${word})`);
  return refusedError(`refused the request (HTTP ${status}${word})`);
}

export function unavailableError(message: string, { cause }: { readonly cause?: unknown } = {}): AppError {
  return new AppError('hosting-unavailable', message, {
    hint: 'Check vercel-status.com, and VERCEL_API_URL if it is set; then run the same command again.',
    transient: true,
    cause,
  });
}

export function refusedError(what: string): AppError {
  return new AppError('hosting-refused', `Vercel ${what}`, {
    hint: 'Check the name of the project and VERCEL_TEAM_ID; change a variable that an integration manages at the integration.',
  });
}

export function foreignAnswerError(): AppError {
  return new AppError('hosting-unavailable', 'What answered is not the Vercel API', {
    hint: 'Check VERCEL_API_URL; the default is https://api.vercel.com.',
  });
}

function deniedError(what: string): AppError {
  return new AppError('hosting-denied', `Vercel did not accept the token for this (HTTP ${what})`, {
    hint: 'Create a token for the team of the projects (vercel.com, Account Settings, Tokens), and set VERCEL_API_TOKEN and VERCEL_TEAM_ID.',
  });
}

function rateLimitError(retryAfterMs: number | undefined): AppError {
  return new AppError('hosting-limit', "Vercel's rate limit is reached (HTTP 429)", {
    hint: 'Run the same command again later; deployments are limited by the hour and the day.',
    transient: true,
    retryAfterMs,
  });
}
