/** How much of the hourly limit is left, by the headers of a response. */
export interface GitHubRate {
  readonly limit: number;
  readonly remaining: number;
  /** When the limit is full again, in milliseconds since the epoch. */
  readonly resetsAt: number;
}

/** The account and permissions of a token. */
export interface GitHubIdentity {
  readonly login: string;
  /** Scopes of a classic token; null for a fine-grained one, whose permissions GitHub does not report. */
  readonly scopes: readonly string[] | null;
  /** When the token expires, in milliseconds since the epoch; null if it never does, or GitHub does not report it. */
  readonly expiresAt: number | null;
  readonly rate: GitHubRate | null;
}

/** The access of a token to a repository. `hidden`: the repository does not exist, or the token may not see it. */
type RepositoryAccess = 'write' | 'read' | 'moved' | 'hidden';

/**
 * The part of GitHub's REST API that tests credentials. Changes nothing there. Failures are AppErrors:
 * - `github-denied`: GitHub does not know the token, or the pair of client id and secret, or the token has expired;
 * - `github-scope`: the token is known, but may not do this;
 * - `github-sso`: an organization requires the token to be authorised for its single sign-on;
 * - `github-suspended`: the account or the app is suspended;
 * - `github-exhausted`: the credential is accepted, but its rate limit is used up; `retryAfterMs`;
 * - `github-limit`: another rate limit, which does not concern the credential (`retryAfterMs` when GitHub names it);
 * - `github-unavailable`: no response, 5xx, or a response that is not GitHub's (transient): the credential is not tested.
 */
export interface GitHub {
  identify(token: string): Promise<GitHubIdentity>;
  /** `name` is `owner/repository`. */
  repository(token: string, name: string): Promise<RepositoryAccess>;
  /** Returns when GitHub accepts the pair of an OAuth app. */
  checkApp(clientId: string, clientSecret: string): Promise<void>;
}
