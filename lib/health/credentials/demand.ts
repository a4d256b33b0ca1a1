import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { GitHub } from '../../ports/github.js';
import type { Observation } from '../doctor.js';
import { NO_NOTES } from './expiry.js';
import { examineApp, type AppCheck } from './github-app.js';
import { examineRepositories, examineToken, type TokenCheck } from './github-token.js';
import { UNDECIDED } from './outcomes.js';

/** Tries a new token. Returns a description of it; throws if it does not work or cannot be tried. */
export async function assertTokenWorks(github: GitHub, clock: Clock, check: TokenCheck): Promise<string> {
  const identity = assertUsable(await examineToken(github, { clock, expiry: NO_NOTES }, check));
  if (check.repositories.length === 0) return identity;
  return `${identity}; ${assertUsable(await examineRepositories(github, check))}`;
}

/** Tries the new client id and secret of an OAuth app. */
export async function assertAppWorks(github: GitHub, check: AppCheck): Promise<string> {
  return assertUsable(await examineApp(github, check));
}

/** Warnings are accepted. */
function assertUsable({ code, detail, hint, status }: Observation): string {
  const isUndecided = code !== undefined && UNDECIDED.has(code);
  if (status !== 'fail' && !isUndecided) return detail;
  if (isUndecided) {
    throw new AppError('github-unavailable', `The new value cannot be tried, so nothing was changed: ${detail}`, {
      hint: hint ?? 'Try again when GitHub answers.',
    });
  }
  throw new AppError('github-denied', `The new value does not work: ${detail}`, {
    hint: hint ?? 'Use another value.',
  });
}
