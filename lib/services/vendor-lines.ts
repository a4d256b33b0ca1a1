/** The beginning of console lines that vendors' packages write; each such failure is also an error of this program. */
const VENDOR_LINE = /^\[(Upstash|QStash)\b/i;

let isInstalled = false;

/**
 * Keeps the vendors' lines off the console, where they would mix with ours: QStash's SDK writes one for every failed
 * request. All other lines pass. May be called any number of times.
 */
export function dropVendorLines(): void {
  if (isInstalled) return;
  isInstalled = true;
  for (const level of ['log', 'warn', 'error'] as const) {
    const write = console[level].bind(console);
    console[level] = (...parts: unknown[]): void => {
      if (typeof parts[0] === 'string' && VENDOR_LINE.test(parts[0])) return;
      write(...parts);
    };
  }
}
