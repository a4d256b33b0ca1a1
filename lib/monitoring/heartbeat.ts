import { toAppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { HeartbeatSignal } from '../ports/alerter.js';
import type { Ports } from '../ports/index.js';
import type { HeartbeatState } from './state.js';

/**
 * Pings the watchdog and returns the outcome for the guard's state. A failed ping stops nothing: the watchdog raises an alarm
 * when pings are missing. Without a configured watchdog nothing is pinged, and the outcome is a success.
 */
export async function pingWatchdog(
  { clock, heartbeat, log }: Pick<Ports, 'heartbeat' | 'log'> & { readonly clock: Pick<Clock, 'now'> },
  signal: HeartbeatSignal,
): Promise<HeartbeatState> {
  const at = new Date(clock.now()).toISOString();
  try {
    await heartbeat.ping(signal);
    return { at, error: null };
  } catch (error) {
    const { code, hint, message } = toAppError(error);
    log.warn('heartbeat-not-sent', { signal, code });
    return { at, error: { code, hint, message } };
  }
}
