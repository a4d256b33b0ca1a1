import { toAppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { HeartbeatSignal } from '../ports/heartbeat.js';
import type { Ports } from '../ports/index.js';
import type { HeartbeatState } from './state.js';

/**
 * Pings the watchdog. One that cannot be reached stops nothing: it raises its alarm when it hears nothing. Returns how it
 * went, for the state of the guard; where none is configured nothing is pinged and all is well.
 */
export async function pulse(
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
