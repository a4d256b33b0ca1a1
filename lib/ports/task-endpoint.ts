/** What came back from a request to our own task endpoint, as the queue would make it. */
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
    }
  /** `timeout`, or the system's or TLS's code, such as `ENOTFOUND`. */
  | { readonly kind: 'failed'; readonly code: string };

/** The way from the queue back to us. */
export interface TaskEndpoint {
  /** Sends a message without a signature. Throws nothing. */
  knock(): Promise<Knock>;
}
