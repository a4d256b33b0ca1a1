/** A variable of a project, as its production environment has it. */
export interface HostedVariable {
  readonly id: string;
  readonly name: string;
  /** Whether the host gives its value out again. */
  readonly readable: boolean;
  /** All environments that have this very value, `production` among them. */
  readonly environments: readonly string[];
}

export type DeploymentState = 'building' | 'ready' | 'failed';

export interface Deployment {
  readonly id: string;
  readonly name: string;
  readonly state: DeploymentState;
}

/**
 * The variables of hosted projects, in production. A project is named by its id or name. Failures are AppErrors:
 * - `hosting-denied`: the token is wrong, has expired, or may not do this;
 * - `hosting-refused`: the host knows no such project or variable, or refuses the change;
 * - `hosting-limit`: a rate limit (transient, `retryAfterMs`);
 * - `hosting-unavailable`: no answer or 5xx (transient); after it a change may or may not have been made.
 *
 * All changes may be made twice.
 */
export interface HostedVariables {
  list(project: string): Promise<HostedVariable[]>;
  /** The value of a readable variable; null when the host does not give it out after all. */
  read(project: string, id: string): Promise<string | null>;
  write(project: string, id: string, value: string): Promise<void>;
  /** Makes a variable for production alone, or sets the one there is. */
  create(project: string, name: string, value: string): Promise<void>;
  remove(project: string, id: string): Promise<void>;
}

/** Production deployments of hosted projects; errors as those of HostedVariables. */
export interface Deployments {
  /** The newest that is ready; null when there is none. */
  newest(project: string): Promise<Deployment | null>;
  /** The deployment that was begun with this marker, if it is not long ago; null when there is none. */
  begun(project: string, marker: string): Promise<Deployment | null>;
  /**
   * Builds a deployment anew, with the variables of now. `marker` is written on it: with one that was used before, the
   * deployment that was made then is returned and no other is begun, so that a lost answer does no harm.
   */
  redeploy(project: string, from: Deployment, marker: string): Promise<Deployment>;
  state(id: string): Promise<DeploymentState>;
  /** Stops one that is being built; `hosting-refused` when there is nothing to stop. */
  cancel(id: string): Promise<void>;
}
