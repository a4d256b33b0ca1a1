/** `start`: work began. `success`: it succeeded. `fail`: it failed. `log`: no sign of life, only a test of the address. */
export type HeartbeatSignal = 'start' | 'success' | 'fail' | 'log';

/**
 * An external monitor that raises an alarm when no signal arrives. Throws AppError `alert-unavailable`. If none is
 * configured, signals are dropped.
 */
export interface Heartbeat {
  readonly configured: boolean;
  ping(signal: HeartbeatSignal): Promise<void>;
}
