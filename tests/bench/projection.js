import Table from 'cli-table3';
import { whole } from './figures.js';

/** What Upstash lets a database of most plans run; above it, it throttles (upstash.com/pricing/redis). */
const COMMANDS_PER_SECOND = 10_000;
const LATENCY_MS = 5;
/** Parts that the queue has worked on at a time, and requests of each: RESTORE_TASKS_AT_A_TIME, BACKUP_REQUESTS_IN_FLIGHT. */
const TASKS = 8;
const IN_FLIGHT = 4;
const OBJECTIVE_HOURS = 4;
const MILLIONS = [1, 10, 100];

/** Phases of tasks; of the others one request is under way at a time, but for reading the safety snapshot. */
const LANES = new Map([
  ...['plan', 'write', 'unite', 'prove', 'inspect'].map((phase) => /** @type {const} */ ([phase, TASKS * IN_FLIGHT])),
  /** @type {const} */ (['safety-scan', IN_FLIGHT]),
]);

/**
 * @typedef {Readonly<Record<string, {commands: number, requests: number}>>} Spent by phase, in order
 *
 * @typedef {object} Measured What a restore spent.
 * @property {number} keys
 * @property {Spent} spent
 */

/**
 * What a restore of `keys` keys spends in each phase, on the line through what two of them spent: each phase has requests
 * that grow with the keys, and some that it takes once, however many keys there are.
 * @param {readonly [Measured, Measured]} measured
 * @returns {Spent}
 */
export function extrapolate([small, large], /** @type {number} */ keys) {
  const names = Object.keys(large.spent);
  const none = { commands: 0, requests: 0 };
  return Object.fromEntries(
    names.map((phase) => {
      const [at, to] = [small.spent[phase] ?? none, large.spent[phase] ?? none];
      const grown = (/** @type {'commands' | 'requests'} */ what) => {
        const each = Math.max(0, (to[what] - at[what]) / (large.keys - small.keys));
        return to[what] + each * (keys - large.keys);
      };
      return [phase, { commands: grown('commands'), requests: Math.ceil(grown('requests')) }];
    }),
  );
}

/**
 * Lets the requests of a restore through a limiter, one by one: a request goes out when its lane is free and the limiter
 * has let the commands before it through, and is answered after the latency. Milliseconds until all was written, and
 * until all was proven. What the store, the network and processors take comes on top where it is slower than the limiter.
 * @param {Spent} spent
 */
export function simulate(spent) {
  let now = 0;
  let restored = 0;
  for (const [phase, { commands, requests }] of Object.entries(spent)) {
    if (phase === 'prove') restored = now;
    const runs = ((commands / Math.max(1, requests)) * 1000) / COMMANDS_PER_SECOND;
    const free = new Float64Array(LANES.get(phase) ?? 1).fill(now);
    let passed = now;
    for (let request = 0; request < requests; request++) {
      const lane = request % free.length;
      passed = Math.max(passed, free[lane] ?? 0) + runs;
      free[lane] = passed + LATENCY_MS;
    }
    now = Math.max(...free);
  }
  return { restored, proven: now };
}

/** What a restore into an empty database and one over a full one would take, for people. */
export function reportProjection(
  /** @type {Readonly<Record<'empty' | 'full', readonly [Measured, Measured]>>} */ { empty, full },
) {
  const table = new Table({
    head: ['keys', 'empty: to service', 'to proof', 'full: to service', 'to proof'],
    style: { head: [], border: [] },
  });
  for (const millions of MILLIONS) {
    const cells = [empty, full].flatMap((measured) => {
      const { restored, proven } = simulate(extrapolate(measured, millions * 1e6));
      return [`${hours(restored)}${restored > OBJECTIVE_HOURS * 3_600_000 ? ': not met' : ': met'}`, hours(proven)];
    });
    table.push([`${millions} million`, ...cells]);
  }
  return [
    `simulated, from ${empty.map(({ keys }) => whole(keys)).join(' and ')} keys: ${COMMANDS_PER_SECOND} commands/s, ${LATENCY_MS} ms of latency, ${TASKS} tasks of ${IN_FLIGHT} requests; ` +
      `objective of ${OBJECTIVE_HOURS} hours to service:`,
    table.toString(),
  ].join('\n');
}

function hours(/** @type {number} */ ms) {
  return ms < 3_600_000 ? `${(ms / 60_000).toFixed(0)} min` : `${(ms / 3_600_000).toFixed(2)} h`;
}
