/** How lines begin that vendors' packages write to the console by themselves: each failure is an error of ours as well. */
const VENDOR = /^\[(Upstash|QStash)\b/i;

let isInstalled = false;

/**
 * Keeps the vendors' own lines off the console, which would stand between ours: QStash's SDK writes one for every failed
 * request. All other lines go through. May be called any number of times.
 */
export function dropVendorLines(): void {
  if (isInstalled) return;
  isInstalled = true;
  for (const level of ['log', 'warn', 'error'] as const) {
    const write = console[level].bind(console);
    console[level] = (...parts: unknown[]): void => {
      if (typeof parts[0] === 'string' && VENDOR.test(parts[0])) return;
      write(...parts);
    };
  }
}
