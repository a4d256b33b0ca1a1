import { readFile } from 'node:fs/promises';

/**
 * The most memory that this process has held so far, in bytes. getrusage's maximum is no measure of that on Linux: it
 * begins with what the parent held when it started us.
 */
export async function peakMemory() {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return peak === undefined ? process.resourceUsage().maxRSS * 1024 : Number(peak) * 1024;
}

/** Seconds of processor time, of all threads, that this process has used so far. */
export function processorSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
