/** What came back from a request to a deployment of ours. */
export type Knock =
  | {
      readonly kind: 'answer';
      readonly status: number;
      /** `code` and `detail` of a problem document of ours; null where the body is something else. */
      readonly problem: { readonly code: string; readonly detail: string } | null;
      /** Whether the body is an HTML page. */
      readonly isPage: boolean;
      /** The host's own word for what is wrong, such as `DEPLOYMENT_NOT_FOUND`; null when it said none. */
      readonly hostError: string | null;
      /** Scheme and host that a redirect leads to; null when it is none. */
      readonly redirectsTo: string | null;
      /** By their names in lower case. */
      readonly headers: Readonly<Record<string, string>>;
      /** The body, where it is JSON; else undefined. */
      readonly json: unknown;
    }
  /** `timeout`, or the system's or TLS's code, such as `ENOTFOUND`. */
  | { readonly kind: 'failed'; readonly code: string };

/** The way from the queue back to us. */
export interface TaskEndpoint {
  /** Sends a message without a signature. Throws nothing. */
  knock(): Promise<Knock>;
}

interface DoorRequest {
  readonly body?: string;
  readonly bearer?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A deployment, as anybody outside sees it. */
export interface DeploymentDoor {
  /** GET or, with a body, POST. `bearer`: a secret to send along. Redirects are not followed. Throws nothing. */
  ask(path: string, request?: DoorRequest): Promise<Knock>;
}
