import { AppError, type ErrorCode } from '../../errors.js';
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
  | 'policy-refused'
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

type Meaning = (error: AppError, what: string) => Observation;

const cannotTell =
  (code: CredentialOutcome): Meaning =>
  ({ hint, message }) =>
    outcome(code, 'warn', `cannot tell: ${message}`, hint);

const MEANINGS: Partial<Record<ErrorCode, Meaning>> = {
  'github-limit': cannotTell('rate-limited'),
  'github-unavailable': cannotTell('unreachable'),
  'github-sso': ({ hint, message }) => outcome('sso-required', 'fail', message, hint),
  'github-policy': ({ hint, message }) => outcome('policy-refused', 'fail', message, hint),
  'github-suspended': ({ hint, message }) => outcome('suspended', 'fail', message, hint),
  'github-scope': ({ hint }, what) => outcome('under-scoped', 'fail', `${what} may not do what it is for`, hint),
  'github-denied': ({ hint }, what) =>
    outcome('revoked', 'fail', `GitHub does not know ${what} any more, or never did (HTTP 401)`, hint),
};

/** What an error of the GitHub port means for the credential that was tried. Any other error is thrown on. */
export function outcomeOf(error: unknown, what: string): Observation {
  const meaning = error instanceof AppError ? MEANINGS[error.code] : undefined;
  if (meaning === undefined) throw error;
  return meaning(error as AppError, what);
}
