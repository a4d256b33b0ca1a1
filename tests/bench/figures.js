import { cpus } from 'node:os';

const MB = 1e6;

/** @param {number} ms */
export const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
/** @param {number} bytes */
export const megabytes = (bytes) => (bytes / MB).toFixed(1);
/** @param {number} value */
export const whole = (value) => Math.round(value).toLocaleString('en-US');

/** What the figures were measured on: they say little without it. */
export function machine() {
  const [cpu] = cpus();
  return { cores: cpus().length, model: cpu?.model ?? 'unknown', node: process.version, platform: process.platform };
}
