import type { Alerter } from './alerter.js';
import type { Backend } from './backend.js';
import type { Clock } from './clock.js';
import type { Embedder } from './embedder.js';
import type { GitHub } from './github.js';
import type { Deployments, HostedProjects, HostedVariables } from './hosting.js';
import type { Heartbeat } from './heartbeat.js';
import type { Log } from './log.js';
import type { ProviderStatus } from './provider-status.js';
import type { Queue } from './queue.js';
import type { RedisPort } from './redis.js';
import type { Encryptor } from './encryptor.js';
import type { Signer } from './signer.js';
import type { ObjectStore } from './store.js';
import type { UpstashAccount } from './upstash-account.js';
import type { VectorIndex } from './vector-index.js';
import type { WebhookVerifier } from './webhook-verifier.js';

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

export type {
  Alerter,
  Backend,
  Clock,
  Deployments,
  Embedder,
  GitHub,
  HostedProjects,
  HostedVariables,
  Heartbeat,
  Log,
  ObjectStore,
  ProviderStatus,
  Queue,
  RedisPort,
  Encryptor,
  Signer,
  UpstashAccount,
  VectorIndex,
  WebhookVerifier,
};
