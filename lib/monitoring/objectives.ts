export { AHEAD_MS } from '../snapshot/order.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The recovery point objective: at most a day's changes may be lost at any time. */
export const RPO_HOURS = 24;
/** The recovery time objective: a full restore takes at most this long. */
export const RTO_HOURS = 4;

export const RPO_MS = RPO_HOURS * HOUR_MS;
export const RTO_MS = RTO_HOURS * HOUR_MS;

/**
 * The guard takes a snapshot when the newest trusted one is older than this. With hourly calls its age stays within 12 hours
 * even if two calls in a row are missed and the snapshot takes most of an hour.
 */
export const SNAPSHOT_AFTER_MS = 8 * HOUR_MS;
/** If the newest good snapshot is older than this, a run is missing: with two a day none is much older than 12 hours. */
export const AT_RISK_MS = 14 * HOUR_MS;
/** The guard starts a drill when the last drill with a verdict is older. */
export const DRILL_EVERY_MS = 7 * DAY_MS;
/** An older last verdict raises an alert: the guard has had two attempts by then. */
export const DRILL_OVERDUE_MS = 9 * DAY_MS;
/** A drill without a verdict is retried after this time. */
export const DRILL_RETRY_MS = DAY_MS;
/** A daily cron runs within its hour: after this long without a call it has missed its turn. */
export const CRON_SILENT_MS = 25 * HOUR_MS;
/** The queue's schedule calls hourly and retries a failed delivery once: this long without a call means two missed calls. */
export const SCHEDULE_SILENT_MS = 2.5 * HOUR_MS;
/** Results of checks expire after this time: two turns of the guard, and some time for the turn itself. */
export const STALE_MS = { hourly: 2.5 * HOUR_MS, daily: 50 * HOUR_MS } as const;
