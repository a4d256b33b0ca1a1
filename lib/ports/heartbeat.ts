/** `start`: work began. `success`: all is well. `fail`: it is not. */
export type HeartbeatSignal = 'start' | 'success' | 'fail';

/**
 * A watchdog outside that raises the alarm when it hears nothing. Throws AppError `alert-unavailable`; where none is
 * configured a signal goes nowhere.
 */
export interface Heartbeat {
  ping(signal: HeartbeatSignal): Promise<void>;
}
