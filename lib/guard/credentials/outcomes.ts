import { AppError } from '../../errors.js';
import type { Observation } from '../doctor.js';

/** Everything that a look at a credential can come to; each has words of its own. */
export type CredentialOutcome =
  | 'accepted'
  | 'expires-soon'
  | 'scopes-unknown'
  | 'expired'
  | 'revoked'
  | 'under-scoped'
  | 'sso-required'
  | 'suspended'
  | 'wrong-secret'
  | 'rate-limited'
  | 'unreachable';

/** Outcomes that say nothing about the credential: it may be good or bad. */
export const UNDECIDED: ReadonlySet<string> = new Set<CredentialOutcome>(['rate-limited', 'unreachable']);

/** An observation with its outcome. */
export function outcome(
  code: CredentialOutcome,
  status: Observation['status'],
  detail: string,
  hint: string | null = null,
): Observation {
  return { status, detail, hint, code };
}

/** What an error of the GitHub port means for the credential that was tried. Any other error is thrown on. */
export function outcomeOf(error: unknown, what: string): Observation {
  if (!(error instanceof AppError)) throw error;
  const { code, hint, message } = error;
  switch (code) {
    case 'github-limit':
      return outcome('rate-limited', 'warn', `cannot tell: ${message}`, hint);
    case 'github-unavailable':
      return outcome('unreachable', 'warn', `cannot tell: ${message}`, hint);
    case 'github-sso':
      return outcome('sso-required', 'fail', message, hint);
    case 'github-suspended':
      return outcome('suspended', 'fail', message, hint);
    case 'github-scope':
      return outcome('under-scoped', 'fail', `${what} may not do what it is for`, hint);
    case 'github-denied':
      return outcome('revoked', 'fail', `GitHub does not know ${what} any more, or never did (HTTP 401)`, hint);
    default:
      throw error;
  }
}
