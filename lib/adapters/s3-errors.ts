import { AppError, type ErrorCode } from '../errors.js';

interface Meaning {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly transient?: boolean;
}

const denied = (hint: string): Meaning => ({ code: 'store-denied', hint });
const unavailable = (hint: string): Meaning => ({ code: 'store-unavailable', hint, transient: true });

const BUSY = unavailable('The object store is overloaded or down; the call can be made again a little later.');
const CONFLICT = unavailable('Another writer was at the same object; the call can be made again.');
const FULL: Meaning = {
  code: 'store-full',
  hint: 'Raise the quota of the bucket, or remove old snapshots.',
};
const WRONG_REGION = denied('The bucket is in another region: set S3_REGION to the one that the bucket shows.');
const STS_REFUSED = denied(
  'The OIDC token was not accepted: check the identity provider, its audience and the trust policy of S3_ROLE_ARN.',
);

/** Codes of "Error responses", Amazon S3 API Reference, and of AWS STS; some are used by compatible stores alone. */
const BY_CODE: Readonly<Record<string, Meaning>> = {
  NoSuchBucket: denied('There is no such bucket: check BACKUP_STORE, or create the bucket.'),
  InvalidAccessKeyId: denied('The access key is unknown: check S3_ACCESS_KEY_ID, and that the key was not deleted.'),
  SignatureDoesNotMatch: denied('The secret does not fit the access key: check S3_SECRET_ACCESS_KEY and S3_ENDPOINT.'),
  AccessDenied: denied(
    'Allow this key s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject on its objects.',
  ),
  RequestTimeTooSkewed: {
    // The SDK learns the difference from this very answer and signs the next call with it.
    ...denied("This machine's clock is off by more than 15 minutes: set it with NTP."),
    transient: true,
  },
  ExpiredToken: denied('The temporary credentials have expired: renew them, or use S3_ROLE_ARN.'),
  ExpiredTokenException: STS_REFUSED,
  InvalidIdentityToken: STS_REFUSED,
  IDPRejectedClaim: STS_REFUSED,
  CredentialsProviderError: STS_REFUSED,
  IDPCommunicationError: unavailable('AWS could not reach the identity provider; the call can be made again.'),
  AccountProblem: denied('The account of the bucket has a problem: see its billing and support pages.'),
  PermanentRedirect: WRONG_REGION,
  AuthorizationHeaderMalformed: WRONG_REGION,
  IllegalLocationConstraint: WRONG_REGION,
  NotImplemented: {
    code: 'store-unsafe',
    hint: 'The store lacks conditional writes (If-None-Match, If-Match); use one that has them.',
  },
  QuotaExceeded: FULL,
  InsufficientStorage: FULL,
  EntityTooLarge: { code: 'store-full', hint: 'The store does not take objects of this size.' },
  ConditionalRequestConflict: CONFLICT,
  OperationAborted: CONFLICT,
  RequestTimeout: BUSY,
  SlowDown: BUSY,
  ServiceUnavailable: BUSY,
  InternalError: BUSY,
  TimeoutError: unavailable('The object store did not answer in time; check the network and S3_ENDPOINT.'),
};

/** The parts of an SDK error that are read here; all come from the other side, so none is taken for granted. */
interface Foreign {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/** The S3 error code (`NoSuchKey`), or the class of the error where the store sent none. */
export function s3CodeOf(error: unknown): string {
  const name = foreign(error).name;
  return typeof name === 'string' ? name : '';
}

/** The HTTP status that came with the error, or 0 when there was no answer. */
export function s3StatusOf(error: unknown): number {
  return foreign(error).$metadata?.httpStatusCode ?? 0;
}

/** Whether a conditional write was refused because its condition does not hold. */
export function isPreconditionFailed(error: unknown): boolean {
  return s3CodeOf(error) === 'PreconditionFailed' || s3StatusOf(error) === 412;
}

/** Whether the object is not there (and the bucket is, or the store does not tell). */
export function isNoSuchKey(error: unknown): boolean {
  const code = s3CodeOf(error);
  return code === 'NoSuchKey' || code === 'NotFound';
}

/**
 * An SDK error as an AppError of the ObjectStore contract. Its text names the vendor's code and status alone, since
 * the vendor's own text quotes key ids and signed strings. A defect of our own (TypeError) is returned as it is.
 */
export function s3Error(bucket: string, error: unknown): unknown {
  if (error instanceof AppError || ['TypeError', 'ReferenceError'].includes(s3CodeOf(error))) return error;
  const status = s3StatusOf(error);
  const meaning = byCode(s3CodeOf(error)) ?? byStatus(status);
  const retryAfterMs = retryAfterOf(error);
  return new AppError(meaning.code, `Bucket ${bucket}: ${label(error)}${status === 0 ? '' : ` (HTTP ${status})`}`, {
    hint: meaning.hint,
    transient: meaning.transient ?? false,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
    cause: error,
  });
}

/** STS's own SDK classes carry the code with `Exception` at its end. */
function byCode(code: string): Meaning | undefined {
  return BY_CODE[code] ?? BY_CODE[code.replace(/Exception$/, '')];
}

function byStatus(status: number): Meaning {
  if (status === 507) return FULL;
  if (status === 401 || status === 403) return denied('The store refused the credentials: check the S3_* variables.');
  if (status === 301 || status === 307) return WRONG_REGION;
  if (status === 501) return BY_CODE['NotImplemented'] ?? BUSY;
  if (status === 408 || status === 409 || status === 429 || status >= 500) return BUSY;
  if (status >= 400) return { code: 'store-unavailable', hint: 'The store refused the request: check S3_ENDPOINT.' };
  return unavailable('The object store cannot be reached: check the network and S3_ENDPOINT.');
}

function label(error: unknown): string {
  const { code } = foreign(error);
  const name = s3CodeOf(error);
  const text = typeof code === 'string' && (name === '' || name === 'Error') ? code : name;
  return /^[A-Za-z0-9_]{1,60}$/.test(text) ? text : 'unknown error';
}

/** RFC 9110 section 10.2.3, the form with seconds. */
function retryAfterOf(error: unknown): number | null {
  const value = foreign(error).$response?.headers?.['retry-after'];
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : null;
}

function foreign(error: unknown): Foreign {
  return typeof error === 'object' && error !== null ? error : {};
}
