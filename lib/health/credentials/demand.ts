import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { GitHub } from '../../ports/github.js';
import type { Observation } from '../doctor.js';
import { NO_NOTES } from './expiry.js';
import { examineApp, type AppCheck } from './github-app.js';
import { examineRepositories, examineToken, type TokenCheck } from './github-token.js';
import { UNDECIDED } from './outcomes.js';

/** Tries a token that is to be used. Returns what to tell of it; throws when it would not work, or nobody can tell. */
export async function demandToken(github: GitHub, clock: Clock, check: TokenCheck): Promise<string> {
  const identity = demand(await examineToken(github, { clock, expiry: NO_NOTES }, check));
  if (check.repositories.length === 0) return identity;
  return `${identity}; ${demand(await examineRepositories(github, check))}`;
}

/** The same for the pair of an OAuth app. */
export async function demandApp(github: GitHub, check: AppCheck): Promise<string> {
  return demand(await examineApp(github, check));
}

/** A warning is good enough to go on with. */
function demand({ code, detail, hint, status }: Observation): string {
  const undecided = code !== undefined && UNDECIDED.has(code);
  if (status !== 'fail' && !undecided) return detail;
  if (undecided) {
    throw new AppError('github-unavailable', `Nothing was changed, since the new value cannot be tried: ${detail}`, {
      hint: hint ?? 'Try again when GitHub answers.',
    });
  }
  throw new AppError('github-denied', `The new value does not work: ${detail}`, {
    hint: hint ?? 'Take another value.',
  });
}
