import { AppError, type ErrorCode } from '../../errors.js';

interface S3Failure {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly transient?: boolean;
}

const denied = (hint: string): S3Failure => ({ code: 'store-denied', hint });
const unavailable = (hint: string): S3Failure => ({ code: 'store-unavailable', hint, transient: true });

const BUSY = unavailable(
  'The object store is overloaded or down: check its status page and S3_ENDPOINT, then try again a little later.',
);
const CONFLICT = unavailable('Another writer changed the same object at the same time: try again.');
const FULL: S3Failure = {
  code: 'store-full',
  hint: 'Raise the quota of the bucket, or remove old snapshots.',
};
const WRONG_REGION = denied('The bucket is in another region: set S3_REGION to the one that the bucket shows.');
const STS_REFUSED = denied(
  'The OIDC token was not accepted: check the identity provider, its audience and the trust policy of S3_ROLE_ARN.',
);
const CLOCK: S3Failure = {
  // The SDK computes the difference from this answer and corrects the time of the next call.
  ...denied("This machine's clock is off by more than 15 minutes: set it with NTP."),
  transient: true,
};
const EXPIRED = denied(
  'The temporary credentials have expired: renew them (`aws sso login`, or new S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY and S3_SESSION_TOKEN), or use S3_ROLE_ARN on Vercel.',
);
const KMS = denied(
  "The bucket's KMS key cannot be used: enable the key, and allow these credentials kms:GenerateDataKey and kms:Decrypt on it, in its key policy too.",
);
const BROKEN_ON_THE_WAY = unavailable(
  'The bytes were changed on the way to or from the store: check for a proxy or TLS inspection in between, then try again.',
);
const NO_CREDENTIALS = denied(
  'No credentials were found: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, or AWS_PROFILE after `aws sso login`; on Vercel set S3_ROLE_ARN and turn OIDC on in the project.',
);
const CHECKSUM_DEMANDED: S3Failure = {
  code: 'store-unsafe',
  hint: 'The bucket (Object Lock with a default retention) demands a checksum with every write, and accepted neither Content-MD5 nor CRC32: use another bucket or S3 service.',
};
const LOCKED = denied(
  'The object is under Object Lock: it can be removed when its retention is over. Shorten the default retention of the bucket, or let RETENTION_ variables keep snapshots at least as long.',
);
const READ_ONLY_CLASS = denied(
  'The object is in an archive class (Glacier): restore it in the S3 console first, and remove the lifecycle rule that moves snapshots there.',
);
const NO_PATH_STYLE = denied(
  'The service does not accept the bucket in the path: set S3_ENDPOINT to an address that does.',
);

/** Codes of "Error responses", Amazon S3 API Reference, and of AWS STS; some are used by compatible stores alone. */
const BY_CODE: Readonly<Record<string, S3Failure>> = {
  NoSuchBucket: denied('There is no such bucket: check BACKUP_STORE, or create the bucket.'),
  InvalidBucketName: denied('The service does not accept the name of the bucket: check BACKUP_STORE.'),
  InvalidAccessKeyId: denied('The access key is unknown: check S3_ACCESS_KEY_ID, and that the key was not deleted.'),
  InvalidToken: denied(
    'The session token is not accepted: S3_SESSION_TOKEN must belong to the same keys; leave it out for permanent keys.',
  ),
  InvalidClientTokenId: denied('The access key is unknown: check S3_ACCESS_KEY_ID, and that the key was not deleted.'),
  SignatureDoesNotMatch: denied('The secret does not fit the access key: check S3_SECRET_ACCESS_KEY and S3_ENDPOINT.'),
  AccessDenied: denied(
    'Allow these credentials s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject on its objects.',
  ),
  UserSuspended: denied('The account of the access key is suspended: contact the operator of the object store.'),
  RequestTimeTooSkewed: CLOCK,
  RequestExpired: CLOCK,
  ExpiredToken: EXPIRED,
  TokenRefreshRequired: EXPIRED,
  ExpiredTokenException: STS_REFUSED,
  InvalidIdentityToken: STS_REFUSED,
  IDPRejectedClaim: STS_REFUSED,
  CredentialsProviderError: NO_CREDENTIALS,
  TokenProviderError: EXPIRED,
  IDPCommunicationError: unavailable('AWS could not reach the identity provider: try again.'),
  AccountProblem: denied('The account of the bucket has a problem: see its billing and support pages.'),
  AllAccessDisabled: denied('The account of the bucket has a problem: see its billing and support pages.'),
  PermanentRedirect: WRONG_REGION,
  AuthorizationHeaderMalformed: WRONG_REGION,
  IllegalLocationConstraint: WRONG_REGION,
  SecondLevelDomainForbidden: NO_PATH_STYLE,
  PathStyleDomainForbidden: NO_PATH_STYLE,
  InvalidObjectState: READ_ONLY_CLASS,
  ObjectLocked: LOCKED,
  MissingContentMD5: CHECKSUM_DEMANDED,
  BadDigest: BROKEN_ON_THE_WAY,
  InvalidDigest: BROKEN_ON_THE_WAY,
  XAmzContentSHA256Mismatch: BROKEN_ON_THE_WAY,
  XAmzContentChecksumMismatch: BROKEN_ON_THE_WAY,
  KMSDisabled: KMS,
  NotImplemented: {
    code: 'store-unsafe',
    hint: 'The store lacks conditional writes (If-None-Match, If-Match); use one that has them.',
  },
  QuotaExceeded: FULL,
  InsufficientStorage: FULL,
  XMinioStorageFull: FULL,
  EntityTooLarge: { code: 'store-full', hint: 'The store does not take objects of this size.' },
  ConditionalRequestConflict: CONFLICT,
  OperationAborted: CONFLICT,
  RequestTimeout: BUSY,
  SlowDown: BUSY,
  ServiceUnavailable: BUSY,
  InternalError: BUSY,
  TimeoutError: unavailable('The object store did not answer in time; check the network and S3_ENDPOINT.'),
};

/** Failures by the vendor's text, where one code has many causes. The text is matched, and never shown. */
const BY_TEXT: readonly (readonly [RegExp, S3Failure])[] = [
  [/object lock|protected by object|WORM/i, LOCKED],
  [/\bkms:|KMS key|ciphertext/i, KMS],
  [/has expired|request has expired/i, CLOCK],
  [
    /explicit deny in a resource-based policy|bucket policy/i,
    denied(
      'The policy of the bucket denies the request: check it for a Deny, such as one that requires TLS, an encryption or an address.',
    ),
  ],
  [
    /service control policy|permissions boundary|session policy|explicit deny/i,
    denied(
      'A policy above the credentials denies the request (service control policy, permissions boundary or an explicit Deny): contact the administrator of the AWS organization.',
    ),
  ],
];

/** Hints for errors of the network and of TLS, by Node's codes. */
const BY_SYSTEM: Readonly<Record<string, string>> = {
  ENOTFOUND: 'The host does not exist: check S3_ENDPOINT and S3_REGION.',
  EAI_AGAIN: 'The host name could not be resolved: check the DNS of this machine.',
  ECONNREFUSED: 'The connection was refused: check S3_ENDPOINT and its port.',
  CERT_HAS_EXPIRED: 'The certificate of the store has expired: renew it.',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'The certificate of the store is self-signed: give its authority in NODE_EXTRA_CA_CERTS.',
  SELF_SIGNED_CERT_IN_CHAIN:
    'The certificate of the store is of an authority unknown here: give it in NODE_EXTRA_CA_CERTS.',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'The certificate of the store is of an authority unknown here: give it in NODE_EXTRA_CA_CERTS.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'The certificate of the store is for another host: check S3_ENDPOINT.',
  EPROTO: 'The store does not speak TLS there: check whether S3_ENDPOINT is http or https, and its port.',
  ERR_SSL_WRONG_VERSION_NUMBER:
    'The store does not speak TLS there: check whether S3_ENDPOINT is http or https, and its port.',
};

/** How the variables of the bucket begin. */
export type S3Variables = 'S3_' | 'REPLICA_S3_';

interface S3Origin {
  /** Where the credentials come from, in words; null when unknown. */
  readonly source: string | null;
  readonly variables: S3Variables;
}

/** The parts of an SDK error that are read here; the store sends them, so any may be missing. */
interface SdkError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/** The S3 error code (`NoSuchKey`), or the class of the error where the store sent none. */
export function s3CodeOf(error: unknown): string {
  const name = asSdkError(error).name;
  return typeof name === 'string' ? name : '';
}

/** The HTTP status that came with the error, or 0 when there was no answer. */
export function s3StatusOf(error: unknown): number {
  return asSdkError(error).$metadata?.httpStatusCode ?? 0;
}

/** Whether a conditional write was refused because its condition does not hold. */
export function isPreconditionFailed(error: unknown): boolean {
  return s3CodeOf(error) === 'PreconditionFailed' || s3StatusOf(error) === 412;
}

/** Whether the object does not exist (and the bucket does, or the store does not say). */
export function isNoSuchKey(error: unknown): boolean {
  const code = s3CodeOf(error);
  return code === 'NoSuchKey' || code === 'NotFound';
}

/** Whether a write was refused because it had no checksum. */
export function demandsChecksum(error: unknown): boolean {
  const code = s3CodeOf(error);
  return code === 'MissingContentMD5' || (code === 'InvalidRequest' && /content-md5|checksum/i.test(errorText(error)));
}

/** Whether a write was refused because of a checksum header that the store does not know. */
export function refusesChecksum(error: unknown): boolean {
  const code = s3CodeOf(error);
  const isOfHeader = /checksum|x-amz-sdk|trailer|content-md5/i.test(errorText(error));
  return ['NotImplemented', 'InvalidArgument', 'InvalidRequest'].includes(code) && isOfHeader;
}

/**
 * An SDK error as an AppError of the ObjectStore contract. Its text names only the vendor's code and status, since the
 * vendor's text quotes key ids and signed strings. A defect of this program (TypeError) is returned unchanged.
 */
export function s3Error(
  bucket: string,
  error: unknown,
  { source, variables }: S3Origin = { source: null, variables: 'S3_' },
): unknown {
  if (['TypeError', 'ReferenceError'].includes(s3CodeOf(error))) return error;
  if (error instanceof AppError) {
    const { cause, code, hint, message, retryAfterMs, transient } = error;
    return variables === 'S3_'
      ? error
      : new AppError(code, message, { hint: nameVariables(hint, variables), transient, cause, retryAfterMs });
  }
  const status = s3StatusOf(error);
  const meaning = findFailure(error, status);
  const retryAfterMs = retryAfterOf(error);
  const credentialNote = meaning.code === 'store-denied' && source !== null ? `, with credentials of ${source}` : '';
  const statusNote = status === 0 ? '' : ` (HTTP ${status})`;
  return new AppError(
    meaning.code,
    `Bucket ${bucket}: ${status === 0 ? describeUnreachable(error) : errorLabel(error)}${statusNote}${credentialNote}`,
    {
      hint: nameVariables(meaning.hint, variables),
      transient: meaning.transient ?? false,
      retryAfterMs: retryAfterMs ?? undefined,
      cause: error,
    },
  );
}

function findFailure(error: unknown, status: number): S3Failure {
  const code = s3CodeOf(error);
  if (demandsChecksum(error)) return CHECKSUM_DEMANDED;
  if (/^KMS\./.test(code)) return KMS;
  const byCodeAlone = findByCode(code);
  if (byCodeAlone === WRONG_REGION || status === 301) return wrongRegionFailure(error);
  if (byCodeAlone !== undefined && code !== 'AccessDenied') return byCodeAlone;
  if (/checksum mismatch/i.test(errorText(error))) return BROKEN_ON_THE_WAY;
  const matched =
    status >= 400 && status < 500 ? BY_TEXT.find(([pattern]) => pattern.test(errorText(error))) : undefined;
  return matched?.[1] ?? byCodeAlone ?? failureForSystemCode(error) ?? failureForStatus(status);
}

/** The region is in a header, or quoted in the text: `expecting 'eu-west-1'`. */
function wrongRegionFailure(error: unknown): S3Failure {
  const header = asSdkError(error).$response?.headers?.['x-amz-bucket-region'];
  const region = header ?? /expecting '([a-z0-9-]{2,40})'/.exec(errorText(error))?.[1];
  if (region === undefined || !/^[a-z0-9-]{2,40}$/.test(region)) return WRONG_REGION;
  return denied(`The bucket is in another region: set S3_REGION=${region}.`);
}

function failureForSystemCode(error: unknown): S3Failure | undefined {
  const { code } = asSdkError(error);
  const hint = typeof code === 'string' ? BY_SYSTEM[code] : undefined;
  return hint === undefined ? undefined : unavailable(hint);
}

/** A hint with the names of this bucket's variables. */
function nameVariables(hint: string, variables: S3Variables): string {
  if (variables === 'S3_') return hint;
  return hint.replace(/\bS3_(?=[A-Z])/g, variables).replaceAll('BACKUP_STORE', 'BACKUP_REPLICA_STORE');
}

/** The vendor's own text, to be matched. */
function errorText(error: unknown): string {
  const { message } = asSdkError(error);
  return typeof message === 'string' ? message : '';
}

/** The SDK classes of STS append `Exception` to the code. */
function findByCode(code: string): S3Failure | undefined {
  return BY_CODE[code] ?? BY_CODE[code.replace(/Exception$/, '')];
}

function failureForStatus(status: number): S3Failure {
  if (status === 507) return FULL;
  if (status === 401 || status === 403)
    return denied('The store refused the credentials: check S3_ENDPOINT, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY.');
  if (status === 301 || status === 307) return WRONG_REGION;
  if (status === 501) return BY_CODE['NotImplemented'] ?? BUSY;
  if (status === 408 || status === 409 || status === 429 || status >= 500) return BUSY;
  if (status >= 400) return { code: 'store-unavailable', hint: 'The store refused the request: check S3_ENDPOINT.' };
  return unavailable('The object store cannot be reached: check the network and S3_ENDPOINT.');
}

/** Without a status there was no answer; when the system gives no code for the cause, the text says only that. */
function describeUnreachable(error: unknown): string {
  const text = errorLabel(error);
  return text === 'Error' ? 'it could not be reached' : text;
}

function errorLabel(error: unknown): string {
  const { code } = asSdkError(error);
  const name = s3CodeOf(error);
  const text = typeof code === 'string' && (name === '' || name === 'Error') ? code : name;
  return /^[A-Za-z0-9_]{1,60}$/.test(text) ? text : 'unknown error';
}

/** RFC 9110 section 10.2.3, the form with seconds. */
function retryAfterOf(error: unknown): number | null {
  const value = asSdkError(error).$response?.headers?.['retry-after'];
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : null;
}

function asSdkError(error: unknown): SdkError {
  return typeof error === 'object' && error !== null ? error : {};
}
