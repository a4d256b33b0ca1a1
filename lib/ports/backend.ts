/** Statistics of one project from the application's backend. */
export interface BackendStats {
  readonly feedback: number;
  readonly clusters: number;
  readonly bySource: Readonly<Record<string, number>>;
}

/** A running backend of Soulcaster. Failures are AppErrors `backend-unavailable` (transient). */
export interface Backend {
  /** Whether a backend is configured. */
  readonly configured: boolean;
  /** Whether GET /health reports a healthy backend. */
  healthy(): Promise<boolean>;
  /** GET /stats of a project. */
  stats(project: string): Promise<BackendStats>;
}
