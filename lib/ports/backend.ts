/** What the application's backend says of one project. */
export interface BackendStats {
  readonly feedback: number;
  readonly clusters: number;
  readonly bySource: Readonly<Record<string, number>>;
}

/** A running backend of Soulcaster. Failures are AppErrors `backend-unavailable` (transient). */
export interface Backend {
  /** Whether there is one to ask at all. */
  readonly configured: boolean;
  /** Whether GET /health answers that all is well. */
  healthy(): Promise<boolean>;
  /** GET /stats of a project. */
  stats(project: string): Promise<BackendStats>;
}
