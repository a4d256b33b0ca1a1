import type { Clock } from './clock.js';
import type { Log } from './log.js';
import type { Queue } from './queue.js';
import type { RedisPort } from './redis.js';
import type { Sealer } from './sealer.js';
import type { Signer } from './signer.js';
import type { ObjectStore } from './store.js';

/** Everything a use case may ask for; each takes a `Pick` of what it needs. */
export interface Ports {
  readonly clock: Clock;
  readonly log: Log;
  readonly redis: RedisPort;
  readonly store: ObjectStore;
  readonly queue: Queue;
  readonly sealer: Sealer;
  readonly signer: Signer;
}

export type { Clock, Log, ObjectStore, Queue, RedisPort, Sealer, Signer };
