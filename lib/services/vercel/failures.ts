import { z } from 'zod';
import { AppError } from '../../errors.js';
import type { RestAnswer } from '../rest.js';
import { parseRetryAfter } from '../retry.js';

const problemSchema = z.object({
  error: z.object({ code: z.string().optional(), limit: z.object({ resetMs: z.number().optional() }).optional() }),
});

/** What an answer other than 2xx means. Source: vercel.com/docs/rest-api/errors */
export function refusalOf({ status, headers, json }: RestAnswer, now: number): AppError {
  const { code, limit } = problemSchema.safeParse(json).data?.error ?? {};
  // The code is a word of a list; anything else is not repeated.
  const word = code !== undefined && /^[A-Za-z_-]{1,60}$/.test(code) ? `, ${code}` : '';
  if (status === 401 || status === 403) return denied(`${status}${word}`);
  if (status === 429) {
    const reset = limit?.resetMs === undefined ? undefined : Math.max(0, limit.resetMs - now);
    return limited(parseRetryAfter(headers.get('retry-after'), now) ?? reset);
  }
  if (status >= 500 || status === 408) return unavailable(`Vercel answered HTTP ${status}`);
  if (status === 404) return refused(`knows no such project, variable or deployment (HTTP 404${word})`);
  return refused(`refused the request (HTTP ${status}${word})`);
}

export function unavailable(message: string, { cause }: { readonly cause?: unknown } = {}): AppError {
  return new AppError('hosting-unavailable', message, {
    hint: 'Look at vercel-status.com, and at VERCEL_API_URL if it is set; then run the same command again.',
    transient: true,
    cause,
  });
}

export function refused(what: string): AppError {
  return new AppError('hosting-refused', `Vercel ${what}`, {
    hint: 'Check the name of the project and VERCEL_TEAM_ID; a variable that an integration keeps is changed at the integration.',
  });
}

export function foreign(): AppError {
  return new AppError('hosting-unavailable', 'What answered is not the Vercel API', {
    hint: 'Check VERCEL_API_URL; left out, it is https://api.vercel.com.',
  });
}

function denied(what: string): AppError {
  return new AppError('hosting-denied', `Vercel did not accept the token for this (HTTP ${what})`, {
    hint: 'Make a token for the team of the projects (vercel.com, Account Settings, Tokens), and set VERCEL_API_TOKEN and VERCEL_TEAM_ID.',
  });
}

function limited(retryAfterMs: number | undefined): AppError {
  return new AppError('hosting-limit', "Vercel's rate limit is reached (HTTP 429)", {
    hint: 'Run the same command again later; deployments are limited by the hour and the day.',
    transient: true,
    retryAfterMs,
  });
}
