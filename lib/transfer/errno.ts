/** The code of an error of the system, such as `ENOENT`; empty for any other. */
export function errnoOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}
