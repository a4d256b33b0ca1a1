import type { Environment } from '../../app/config.js';
import { exitCodeOf, toAppError, type AppError } from '../../errors.js';
import type { Context } from '../context.js';
import { printable, printableJson, redact } from './text.js';

/** The JSON document of a command that failed without another document. */
interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
}

interface ErrorSink {
  readonly env: Environment;
  /** The file of --env-file. */
  readonly envFile: string | undefined;
  readonly json: boolean;
  out(text: string): void;
  note(text: string): void;
}

/** Prints an error and returns the exit code. */
export function reportError(error: unknown, sink: ErrorSink): number {
  const known = toAppError(error);
  printError(known, sink);
  if (sink.json) sink.out(printableJson(errorDocument(known), sink.envFile));
  return exitCodeOf(known.code);
}

/** Prints `error:` and `hint:` to the standard error; with DEBUG=1 also the stack trace. */
export function printError(error: AppError, { env, note }: Pick<ErrorSink, 'env' | 'note'>): void {
  note(printable(redact(`error: ${error.message}`, env)));
  note(printable(redact(`hint: ${error.hint}`, env)));
  if (env['DEBUG'] === '1')
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      note(printable(redact(formatTrace(cause), env)));
}

export function errorDocument({ code, message, hint }: AppError): ErrorDocument {
  return { error: { code, message, hint } };
}

/** Ends a command: prints its error, if it has one, and its JSON document with the error, and returns the exit code. */
export function finish(context: Context, document: object, error: AppError | null): number {
  if (error !== null) printError(error, context);
  context.document({ ...document, ...(error === null ? { error } : errorDocument(error)) });
  return error === null ? 0 : exitCodeOf(error.code);
}

/** Only the messages of these errors are shown: others may quote data of the database. */
const SAFE_ERROR_NAMES = new Set(['AppError', 'TypeError', 'ReferenceError', 'RangeError', 'AbortError']);

function formatTrace(error: Error): string {
  const text = SAFE_ERROR_NAMES.has(error.name) ? error.message : '(text withheld)';
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const code = 'code' in error && typeof error.code === 'string' ? ` ${error.code}` : '';
  return [`${error.name}${code}: ${text}`, ...frames].join('\n');
}
