/** Why a call failed, in words for the operator. `status` is 0 when there was no answer. */
export class CallError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string,
    readonly status: number,
  ) {
    super(message);
    this.name = 'CallError';
  }
}

/** Reads a problem document (RFC 9457) with our `code` and `hint`; missing fields get defaults. */
export function fromProblem(status: number, document: unknown): CallError {
  const { code, detail, title, hint } = (document ?? {}) as Record<string, unknown>;
  const message = text(detail) ?? text(title) ?? `The server answered ${status}`;
  return new CallError(text(code) ?? 'unknown', message, text(hint) ?? '', status);
}

/** An answer that is not from this program: an error page of the platform or of a proxy. */
export function fromPlatform(status: number): CallError {
  const late = status === 504 ? ' The function ran out of time: check the runs before you try again.' : '';
  const hint = `The platform answered in place of the function.${late} Its log says why.`;
  return new CallError('no-answer', `The server answered ${status} without saying why`, hint, status);
}

export function fromNetwork(cause: unknown): CallError {
  const slow = cause instanceof Error && cause.name === 'TimeoutError';
  const message = slow ? 'The server did not answer in time' : 'The server cannot be reached';
  return new CallError('unreachable', message, 'Check the connection. The page retries by itself.', 0);
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
