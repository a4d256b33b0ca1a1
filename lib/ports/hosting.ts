/** A variable of a project in its production environment. */
export interface HostedVariable {
  readonly id: string;
  readonly name: string;
  /** Whether the host returns the value. */
  readonly readable: boolean;
  /** All environments with this value, including `production`. */
  readonly environments: readonly string[];
  /** The comment of the variable; empty if there is none. */
  readonly comment: string;
  /** Milliseconds since the epoch; null if the host does not report it. */
  readonly updatedAt: number | null;
}

/** Properties of a variable other than its value. */
interface VariableForm {
  /** Whether the host never returns the value. Default false. */
  readonly sensitive?: boolean;
  readonly comment?: string;
}

export type DeploymentState = 'building' | 'ready' | 'failed';

export interface Deployment {
  readonly id: string;
  readonly name: string;
  readonly state: DeploymentState;
  /** Milliseconds since the epoch; null if the host does not report it. */
  readonly createdAt: number | null;
}

/**
 * The variables of hosted projects, in production. A project is named by its id or name. Failures are AppErrors:
 * - `hosting-denied`: the token is wrong, has expired, or may not do this;
 * - `hosting-refused`: there is no such project or variable, or the host refuses the change;
 * - `hosting-limit`: a rate limit (transient, `retryAfterMs`);
 * - `hosting-unavailable`: no response or 5xx (transient); a change may or may not have been made.
 *
 * All changes are idempotent.
 */
export interface HostedVariables {
  list(project: string): Promise<HostedVariable[]>;
  /** The value of a readable variable; null if the host does not return it after all. */
  read(project: string, id: string): Promise<string | null>;
  /** Sets the value, and the comment if one is given; does not change whether the variable is sensitive. */
  write(project: string, id: string, value: string, form?: Pick<VariableForm, 'comment'>): Promise<void>;
  /** Creates a variable for production only, or sets the existing one. */
  create(project: string, name: string, value: string, form?: VariableForm): Promise<void>;
  remove(project: string, id: string): Promise<void>;
}

/** Production deployments of hosted projects. Failures as for HostedVariables. */
export interface Deployments {
  /** The newest ready deployment; null if there is none. */
  newest(project: string): Promise<Deployment | null>;
  /** The recent deployment that was started with this marker; null if there is none. */
  findByMarker(project: string, marker: string): Promise<Deployment | null>;
  /**
   * Rebuilds a deployment with the current variables. `marker` makes the call idempotent: if a deployment was started with
   * the same marker before, it is returned and no other is started, so that a lost response does no harm.
   */
  redeploy(project: string, from: Deployment, marker: string): Promise<Deployment>;
  state(id: string): Promise<DeploymentState>;
  /** Stops a deployment that is being built; `hosting-refused` if there is nothing to stop. */
  cancel(id: string): Promise<void>;
}

/** A team, or a project, of a host. */
export interface HostedName {
  readonly id: string;
  readonly name: string;
}

/** The teams and projects that a token can access. Failures as for HostedVariables. */
export interface HostedProjects {
  /** Teams that the token belongs to, whichever is configured. */
  teams(): Promise<HostedName[]>;
  /** Projects of the configured team, or of the account. */
  list(): Promise<HostedName[]>;
  /**
   * Domains that serve production directly: verified, without a redirect, not of a branch. Custom domains come before those
   * of the host.
   */
  domains(project: string): Promise<string[]>;
}

/** The outcome of a request to one of our deployments. */
export type EndpointResponse =
  | {
      readonly kind: 'answer';
      readonly status: number;
      /** `code` and `detail` of our problem document; null if the body is something else. */
      readonly problem: { readonly code: string; readonly detail: string } | null;
      /** Whether the body is an HTML page. */
      readonly isPage: boolean;
      /** The host's error code, such as `DEPLOYMENT_NOT_FOUND`; null if there is none. */
      readonly hostError: string | null;
      /** Scheme and host of the target of a redirect; null for other responses. */
      readonly redirectsTo: string | null;
      /** By lower-case name. */
      readonly headers: Readonly<Record<string, string>>;
      /** The parsed body, if it is JSON; else undefined. */
      readonly json: unknown;
    }
  /** `timeout`, or the code of a system or TLS error, such as `ENOTFOUND`. */
  | { readonly kind: 'failed'; readonly code: string };

/** The endpoint that the queue delivers to. */
export interface TaskEndpoint {
  /** Sends a message without a signature. Throws nothing. */
  probe(): Promise<EndpointResponse>;
}

interface EndpointRequest {
  readonly body?: string;
  readonly bearer?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A deployment as seen from outside. */
export interface DeploymentClient {
  /** GET or, with a body, POST. `bearer`: a secret for the Authorization header. Redirects are not followed. Throws nothing. */
  request(path: string, request?: EndpointRequest): Promise<EndpointResponse>;
}
