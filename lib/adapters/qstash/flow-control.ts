import type { FlowControl } from '@upstash/qstash';
import type { QueueFlow } from '../../ports/queue.js';

/** A flow as QStash takes it (upstash.com/docs/qstash/features/flowcontrol). */
export function toFlowControl({ key, parallelism, rate }: QueueFlow): FlowControl {
  return rate === null ? { key, parallelism } : { key, parallelism, rate: rate.count, period: rate.periodSeconds };
}
