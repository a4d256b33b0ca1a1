import { toAppError } from '../errors.js';
import type { HeartbeatSignal } from '../ports/heartbeat.js';
import type { Ports } from '../ports/index.js';

/** Pings the watchdog. One that cannot be reached stops nothing: it raises its alarm when it hears nothing. */
export async function pulse(
  { heartbeat, log }: Pick<Ports, 'heartbeat' | 'log'>,
  signal: HeartbeatSignal,
): Promise<void> {
  try {
    await heartbeat.ping(signal);
  } catch (error) {
    log.warn('heartbeat-not-sent', { signal, code: toAppError(error).code });
  }
}
