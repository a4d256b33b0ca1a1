import { AppError, type ErrorCode } from '../../errors.js';
import type { Observation } from '../doctor.js';

/** Everything that a look at a credential can come to; each has its own words. */
type CredentialOutcome =
  | 'accepted'
  | 'expires-soon'
  | 'scopes-unknown'
  | 'expired'
  | 'revoked'
  | 'under-scoped'
  | 'not-reached'
  | 'sso-required'
  | 'policy-refused'
  | 'suspended'
  | 'wrong-secret'
  | 'rate-limited'
  | 'unreachable';

/** Outcomes after which it is not known whether the credential does what it is for. It cannot be used now all the same. */
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

const undecided =
  (code: CredentialOutcome): Meaning =>
  ({ hint, message }) =>
    outcome(code, 'fail', `it could not be tried: ${message}`, hint);

const MEANINGS: Partial<Record<ErrorCode, Meaning>> = {
  'github-limit': undecided('rate-limited'),
  // The credential is good, and the limit passes within the hour: no alert, but nothing that works either.
  'github-exhausted': ({ hint, message }, what) =>
    outcome('rate-limited', 'warn', `GitHub accepts ${what}, and nothing more of it now: ${message}`, hint),
  'github-unavailable': undecided('unreachable'),
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
