/**
 * All errors that an operator can act on, in one closed list: each code is mapped here to an HTTP status and an exit code.
 */
const CODES = {
  usage: { status: 400, exit: 2 },
  config: { status: 500, exit: 2 },
  unauthorized: { status: 401, exit: 1 },
  'signature-missing': { status: 401, exit: 1 },
  'signature-wrong': { status: 401, exit: 1 },
  'signature-stale': { status: 401, exit: 1 },
  replayed: { status: 409, exit: 1 },
  'too-large': { status: 413, exit: 2 },
  invalid: { status: 422, exit: 2 },
  'not-confirmed': { status: 428, exit: 2 },
  'method-not-allowed': { status: 405, exit: 2 },
  'not-found': { status: 404, exit: 10 },
  locked: { status: 409, exit: 11 },
  'wrong-key': { status: 422, exit: 12 },
  'newer-format': { status: 501, exit: 1 },
  'not-restorable': { status: 412, exit: 3 },
  'not-proven': { status: 500, exit: 1 },
  incomplete: { status: 207, exit: 3 },
  doubtful: { status: 207, exit: 3 },
  damaged: { status: 422, exit: 1 },
  'chain-broken': { status: 422, exit: 1 },
  fenced: { status: 409, exit: 1 },
  busy: { status: 503, exit: 11 },
  interrupted: { status: 503, exit: 130 },
  cancelled: { status: 409, exit: 130 },
  abandoned: { status: 503, exit: 1 },
  'redis-denied': { status: 502, exit: 1 },
  'redis-limit': { status: 502, exit: 1 },
  'redis-unavailable': { status: 503, exit: 1 },
  'redis-reply-too-large': { status: 502, exit: 1 },
  'redis-command': { status: 502, exit: 1 },
  'store-denied': { status: 502, exit: 1 },
  'store-full': { status: 507, exit: 1 },
  'store-unavailable': { status: 503, exit: 1 },
  'store-unsafe': { status: 502, exit: 1 },
  'queue-denied': { status: 502, exit: 1 },
  'queue-unavailable': { status: 503, exit: 1 },
  'backend-unavailable': { status: 503, exit: 1 },
  'upstash-denied': { status: 502, exit: 1 },
  'upstash-plan': { status: 502, exit: 1 },
  'upstash-refused': { status: 502, exit: 1 },
  'upstash-limit': { status: 503, exit: 1 },
  'upstash-unavailable': { status: 503, exit: 1 },
  'provider-unreadable': { status: 503, exit: 1 },
  'vector-denied': { status: 502, exit: 1 },
  'vector-limit': { status: 502, exit: 1 },
  'vector-quota': { status: 502, exit: 1 },
  'vector-pending': { status: 503, exit: 3 },
  'vector-refused': { status: 502, exit: 1 },
  'vector-mismatch': { status: 502, exit: 1 },
  'vector-unavailable': { status: 503, exit: 1 },
  'embedder-denied': { status: 502, exit: 1 },
  'embedder-limit': { status: 502, exit: 1 },
  'embedder-quota': { status: 502, exit: 1 },
  'embedder-refused': { status: 502, exit: 1 },
  'embedder-unavailable': { status: 503, exit: 1 },
  'github-denied': { status: 502, exit: 1 },
  'github-scope': { status: 502, exit: 1 },
  'github-policy': { status: 502, exit: 1 },
  'github-sso': { status: 502, exit: 1 },
  'github-suspended': { status: 502, exit: 1 },
  'github-limit': { status: 503, exit: 1 },
  'github-exhausted': { status: 503, exit: 1 },
  'github-unavailable': { status: 503, exit: 1 },
  'hosting-denied': { status: 502, exit: 1 },
  'hosting-refused': { status: 502, exit: 1 },
  'hosting-limit': { status: 503, exit: 1 },
  'hosting-unavailable': { status: 503, exit: 1 },
  'deployment-failed': { status: 502, exit: 1 },
  'rolled-back': { status: 502, exit: 1 },
  'half-changed': { status: 500, exit: 3 },
  'alert-unavailable': { status: 503, exit: 1 },
  internal: { status: 500, exit: 1 },
} as const satisfies Record<string, { status: number; exit: number }>;

export type ErrorCode = keyof typeof CODES;

interface AppErrorOptions {
  /** What the operator should do next: no secret and no stored value in it. */
  hint: string;
  /** Whether the same call may succeed a little later. Default false. */
  transient?: boolean;
  /** How long the service wants us to wait before the next try, in milliseconds. */
  retryAfterMs?: number | undefined;
  cause?: unknown;
}

/**
 * The one error type that leaves a port or a use case on purpose. `message` says what happened, `hint` what to do;
 * neither may hold a secret or a value from the database.
 */
export class AppError extends Error {
  readonly hint: string;
  readonly transient: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: AppErrorOptions,
  ) {
    super(message, { cause: options.cause });
    this.name = 'AppError';
    this.hint = options.hint;
    this.transient = options.transient ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The HTTP status for an error with this code. */
export function statusOf(code: ErrorCode): number {
  return CODES[code].status;
}

/** The exit code of the command line for an error with this code. */
export function exitCodeOf(code: ErrorCode): number {
  return CODES[code].exit;
}

/**
 * Wraps any other error as `internal`. Its message is kept as the cause and not shown: vendor errors are known to quote
 * whole commands, including values.
 */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const name = error instanceof Error ? error.name : typeof error;
  return new AppError('internal', `Unexpected ${name}`, {
    hint: 'This is a defect in soulcaster-backup. Run the command again with DEBUG=1 and report what it prints.',
    cause: error,
  });
}
