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
