/** The code of an error of the system, such as `ENOENT`; empty for any other. */
export function errnoOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/** Whether a disk or a quota has no room for what was to be written. */
export function isDiskFull(errno: string): boolean {
  return errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'EFBIG';
}
