/** Whether an address can be connected to, without a request that its receiver would take for a message. */
export interface Reachable {
  /** Throws AppError `alert-unavailable` when there is nobody: no such host, no connection, a bad certificate, no answer. */
  reach(): Promise<void>;
}
