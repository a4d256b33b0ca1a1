export { AHEAD_MS } from '../snapshot/order.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The data-loss objective: at no time may more than a day's changes be lost. */
export const RPO_HOURS = 24;
/** The downtime objective: so long it may take to have everything back. */
export const RTO_HOURS = 4;

export const RPO_MS = RPO_HOURS * HOUR_MS;
export const RTO_MS = RTO_HOURS * HOUR_MS;

/**
 * The guard takes a snapshot when the newest trusted one is older. Called hourly it is then within 12 hours even when two
 * calls in a row are missed and the snapshot takes most of an hour.
 */
export const SNAPSHOT_AFTER_MS = 8 * HOUR_MS;
/** A newest good snapshot of this age says that a run is missing: with two a day none is older than 12 hours and a little. */
export const AT_RISK_MS = 14 * HOUR_MS;
/** The guard starts a drill when the last that came to a verdict is older. */
export const DRILL_EVERY_MS = 7 * DAY_MS;
/** A last verdict that is older raises an alert: the guard has had two tries by then. */
export const DRILL_OVERDUE_MS = 9 * DAY_MS;
/** A drill that came to no verdict is not tried again before. */
export const DRILL_RETRY_MS = DAY_MS;
/** A daily cron comes within its hour: one that was not heard of for so long has missed its turn. */
export const CRON_SILENT_MS = 25 * HOUR_MS;
/** The queue's schedule calls hourly and once more when a delivery fails: so long without it means two missed calls. */
export const SCHEDULE_SILENT_MS = 2.5 * HOUR_MS;
/** What was tried longer ago is not known any more: two turns of the guard, and some time for the turn itself. */
export const STALE_MS = { hourly: 2.5 * HOUR_MS, daily: 50 * HOUR_MS } as const;
