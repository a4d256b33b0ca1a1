/** A variable of a project, as its production environment has it. */
export interface HostedVariable {
  readonly id: string;
  readonly name: string;
  /** Whether the host gives its value out again. */
  readonly readable: boolean;
  /** All environments that have this very value, `production` among them. */
  readonly environments: readonly string[];
  /** The remark that stands with it; empty for none. */
  readonly comment: string;
  /** Milliseconds since the epoch; null where it is not told. */
  readonly updatedAt: number | null;
}

/** What is said of a variable beside its value. */
interface VariableForm {
  /** The host gives its value out to nobody. Default false. */
  readonly sensitive?: boolean;
  readonly comment?: string;
}

export type DeploymentState = 'building' | 'ready' | 'failed';

export interface Deployment {
  readonly id: string;
  readonly name: string;
  readonly state: DeploymentState;
  /** Milliseconds since the epoch; null where it is not told. */
  readonly createdAt: number | null;
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
  /** Sets the value, and the comment where one is given; whether it is sensitive stays. */
  write(project: string, id: string, value: string, form?: Pick<VariableForm, 'comment'>): Promise<void>;
  /** Makes a variable for production alone, or sets the one there is. */
  create(project: string, name: string, value: string, form?: VariableForm): Promise<void>;
  remove(project: string, id: string): Promise<void>;
}

/** Production deployments of hosted projects; errors as those of HostedVariables. */
export interface Deployments {
  /** The newest that is ready; null when there is none. */
  newest(project: string): Promise<Deployment | null>;
  /** The deployment that was begun with this marker, if it is not long ago; null when there is none. */
  begun(project: string, marker: string): Promise<Deployment | null>;
  /**
   * Rebuilds a deployment, with the variables of now. `marker` is written on it: with one that was used before, the
   * deployment that was made then is returned and no other is begun, so that a lost answer does no harm.
   */
  redeploy(project: string, from: Deployment, marker: string): Promise<Deployment>;
  state(id: string): Promise<DeploymentState>;
  /** Stops one that is being built; `hosting-refused` when there is nothing to stop. */
  cancel(id: string): Promise<void>;
}

/** A team, or a project, of a host. */
export interface HostedName {
  readonly id: string;
  readonly name: string;
}

/** What a token reaches; errors as those of HostedVariables. */
export interface HostedProjects {
  /** Teams that the token belongs to, whichever is configured. */
  teams(): Promise<HostedName[]>;
  /** Projects of the configured team, or of the account. */
  list(): Promise<HostedName[]>;
  /**
   * Hosts under which production answers by itself: verified, without a redirect, of no branch. A domain of one's own comes
   * before those of the host.
   */
  domains(project: string): Promise<string[]>;
}
