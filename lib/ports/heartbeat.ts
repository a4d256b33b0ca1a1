/** `start`: work began. `success`: all is well. `fail`: it is not. `log`: no sign of life, only whether one would be taken. */
export type HeartbeatSignal = 'start' | 'success' | 'fail' | 'log';

/**
 * A watchdog outside that raises the alarm when it hears nothing. Throws AppError `alert-unavailable`; where none is
 * configured a signal goes nowhere.
 */
export interface Heartbeat {
  readonly configured: boolean;
  ping(signal: HeartbeatSignal): Promise<void>;
}
