import type { Alerter, Heartbeat } from './alerter.js';
import type { Backend } from './backend.js';
import type { Clock } from './clock.js';
import type { Embedder } from './embedder.js';
import type { GitHub } from './github.js';
import type { Deployments, HostedProjects, HostedVariables } from './hosting.js';
import type { ProviderStatus } from './provider-status.js';
import type { Queue } from './queue.js';
import type { RedisPort } from './redis.js';
import type { Encryptor, Signer, WebhookVerifier } from './crypto.js';
import type { ObjectStore } from './store.js';
import type { UpstashAccount } from './upstash-account.js';
import type { VectorIndex } from './vector-index.js';

export type {
  Backend,
  Clock,
  Embedder,
  Encryptor,
  ObjectStore,
  Queue,
  RedisPort,
  Signer,
  UpstashAccount,
  VectorIndex,
  WebhookVerifier,
};

/** Fields that may be logged: names, counts, durations. Never a secret, never a value from the database. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** Structured log: one event name in kebab-case and its fields. Implementations never throw. */
export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** All ports; each use case takes a `Pick` of those that it needs. */
export interface Ports {
  readonly clock: Clock;
  readonly log: Log;
  readonly redis: RedisPort;
  readonly store: ObjectStore;
  readonly queue: Queue;
  readonly encryptor: Encryptor;
  readonly signer: Signer;
  readonly backend: Backend;
  readonly account: UpstashAccount;
  readonly providers: ProviderStatus;
  readonly webhooks: WebhookVerifier;
  readonly vectors: VectorIndex;
  readonly embedder: Embedder;
  readonly github: GitHub;
  readonly variables: HostedVariables;
  readonly deployments: Deployments;
  readonly projects: HostedProjects;
  readonly alerter: Alerter;
  readonly heartbeat: Heartbeat;
}
