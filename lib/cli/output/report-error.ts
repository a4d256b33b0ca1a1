import type { Environment } from '../../app/config.js';
import { exitCodeOf, toAppError, type AppError } from '../../errors.js';
import { printable, printableJson, redact } from './redact.js';

/** What went wrong, as the JSON document of a command that has no other. */
interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
}

interface ErrorSink {
  readonly env: Environment;
  readonly json: boolean;
  out(text: string): void;
  err(text: string): void;
}

/** Tells the operator of an error and returns the exit code. */
export function reportError(error: unknown, sink: ErrorSink): number {
  const known = toAppError(error);
  explain(known, sink);
  if (sink.json) sink.out(printableJson(errorDocument(known)));
  return exitCodeOf(known.code);
}

/** `error:` and `hint:` on the standard error; with DEBUG=1 also where it came from. */
export function explain(error: AppError, { env, err }: Pick<ErrorSink, 'env' | 'err'>): void {
  err(printable(redact(`error: ${error.message}`, env)));
  err(printable(redact(`hint: ${error.hint}`, env)));
  if (env['DEBUG'] === '1')
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      err(printable(redact(trace(cause), env)));
}

export function errorDocument({ code, message, hint }: AppError): ErrorDocument {
  return { error: { code, message, hint } };
}

/** Foreign errors may quote what was read from the database: of them only those that cannot are shown with their text. */
const HARMLESS = new Set(['AppError', 'TypeError', 'ReferenceError', 'RangeError', 'AbortError']);

function trace(error: Error): string {
  const text = HARMLESS.has(error.name) ? error.message : '(text withheld)';
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const code = 'code' in error && typeof error.code === 'string' ? ` ${error.code}` : '';
  return [`${error.name}${code}: ${text}`, ...frames].join('\n');
}
