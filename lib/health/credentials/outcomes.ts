import { AppError, type ErrorCode } from '../../errors.js';
import type { Observation } from '../doctor.js';

/** All outcomes of a check of a credential. */
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

/** Outcomes that leave open whether the credential is valid. It cannot be used now. */
export const UNDECIDED: ReadonlySet<string> = new Set<CredentialOutcome>(['rate-limited', 'unreachable']);

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
  // The credential is valid, and the limit resets within the hour: no alert, although nothing works until then.
  'github-exhausted': ({ hint, message }, what) =>
    outcome('rate-limited', 'warn', `GitHub accepts ${what}, but refuses its requests for now: ${message}`, hint),
  'github-unavailable': undecided('unreachable'),
  'github-sso': ({ hint, message }) => outcome('sso-required', 'fail', message, hint),
  'github-policy': ({ hint, message }) => outcome('policy-refused', 'fail', message, hint),
  'github-suspended': ({ hint, message }) => outcome('suspended', 'fail', message, hint),
  'github-scope': ({ hint }, what) => outcome('under-scoped', 'fail', `${what} lacks a permission that it needs`, hint),
  'github-denied': ({ hint }, what) => outcome('revoked', 'fail', `GitHub does not know ${what} (HTTP 401)`, hint),
};

/** The outcome that an error of the GitHub port stands for. Any other error is rethrown. */
export function outcomeOf(error: unknown, what: string): Observation {
  const meaning = error instanceof AppError ? MEANINGS[error.code] : undefined;
  if (meaning === undefined) throw error;
  return meaning(error as AppError, what);
}
