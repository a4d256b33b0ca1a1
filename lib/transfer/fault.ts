import { AppError, type ErrorCode } from '../errors.js';

/**
 * What is wrong with a file, and where. `where` is `line 17` or `byte 1234`, of what is in it once it is decrypted and
 * unpacked, or empty for the file as a whole. Neither text may quote a key or a value.
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

const ANOTHER_COPY = 'Copy or write the file again, and compare its size and checksum with the original.';

/** The file ends before it should. */
export function cutShort(where: string, what: string): FileFault {
  return new FileFault('damaged', where, `it is cut short: ${what}`, ANOTHER_COPY);
}

/** What stands there is not what the format has there. */
export function malformed(where: string, what: string, hint = ANOTHER_COPY): FileFault {
  return new FileFault('damaged', where, what, hint);
}

/** An append-only file, or one of the files that it consists of since Redis 7: none of them is the whole database. */
export function appendOnly(where: string, what: string): FileFault {
  return new FileFault(
    'invalid',
    where,
    `it is ${what}, which is not read: changes that lie in other files would be lacking`,
    'Make the server save an RDB file (`redis-cli BGSAVE`), and give that file.',
  );
}

export function lineOf(number: number): string {
  return `line ${number}`;
}

/** The error for people: names the file and the place. */
export function faultError(file: string, { cause, code, hint, what, where }: FileFault): AppError {
  const place = where === '' ? file : `${file}, ${where}`;
  return new AppError(code, `${place}: ${what}. Nothing was written`, { hint, cause });
}

/** The code of an error of the system, such as `ENOENT`; empty for any other. */
export function errnoOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/** Whether a disk or a quota has no room for what was to be written. */
export function isDiskFull(errno: string): boolean {
  return errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'EFBIG';
}
