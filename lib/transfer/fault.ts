import { AppError, type ErrorCode } from '../errors.js';

/**
 * A fault in a file and its place. `where` is `line 17` or `byte 1234` of the decrypted and decompressed content, or empty
 * for the whole file. Neither text may quote a key or a value.
 */
export class FileFault extends Error {
  constructor(
    readonly code: Extract<ErrorCode, 'damaged' | 'invalid' | 'newer-format' | 'usage' | 'wrong-key' | 'not-found'>,
    readonly where: string,
    readonly what: string,
    readonly hint: string,
    options: { readonly cause?: unknown } = {},
  ) {
    super(what, options);
  }
}

export const FILES_HINT = 'Supported files, and the tools that write them: docs/format.md, "Files that are read".';
const COPY_AGAIN = 'Copy or write the file again, and compare its size and checksum with the original.';

/** The file ends before it should. */
export function cutShortFault(where: string, what: string): FileFault {
  return new FileFault('damaged', where, `it is cut short: ${what}`, COPY_AGAIN);
}

/** The content violates the format at this place. */
export function malformedFault(where: string, what: string, hint = COPY_AGAIN): FileFault {
  return new FileFault('damaged', where, what, hint);
}

/** An append-only file, or one of its files since Redis 7, none of which is the whole database. */
export function appendOnlyFault(where: string, what: string): FileFault {
  return new FileFault(
    'invalid',
    where,
    `it is ${what}, which cannot be imported: changes in its other files would be missing`,
    'Save an RDB file on the server (`redis-cli BGSAVE`) and use that file.',
  );
}

export function linePlace(number: number): string {
  return `line ${number}`;
}

/** The error for the operator: names the file and the place. */
export function faultError(file: string, { cause, code, hint, what, where }: FileFault): AppError {
  const place = where === '' ? file : `${file}, ${where}`;
  return new AppError(code, `${place}: ${what}. Nothing was written`, { hint, cause });
}

/** The code of a system error, such as `ENOENT`; empty for any other error. */
export function errnoOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/** Whether a write failed because the disk or its quota is full. */
export function isDiskFull(errno: string): boolean {
  return errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'EFBIG';
}
