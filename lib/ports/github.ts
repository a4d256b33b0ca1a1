/** How much of the hourly limit is left, by the headers of an answer. */
export interface GitHubRate {
  readonly limit: number;
  readonly remaining: number;
  /** When the limit is full again, in milliseconds since the epoch. */
  readonly resetsAt: number;
}

/** Who a token is. */
export interface GitHubIdentity {
  readonly login: string;
  /** Scopes of a classic token; null for a fine-grained one, whose permissions GitHub does not tell. */
  readonly scopes: readonly string[] | null;
  /** When the token ends, in milliseconds since the epoch; null when it never does, or GitHub does not say. */
  readonly expiresAt: number | null;
  readonly rate: GitHubRate | null;
}

/** What a token sees of a repository. `hidden`: there is none of that name, or the token may not see it. */
type RepositoryAccess = 'write' | 'read' | 'moved' | 'hidden';

/**
 * GitHub's REST API, as far as its credentials can be tried by it. Nothing is changed there. Failures are AppErrors:
 * - `github-denied`: GitHub does not know the token or the pair of client id and secret (any more), as it answers also
 *   for an expired token;
 * - `github-scope`: the token is known, but may not do this;
 * - `github-sso`: an organization wants the token to be authorised for its single sign-on;
 * - `github-suspended`: the account or the app is suspended;
 * - `github-exhausted`: the rate limit of the credential itself, which is accepted, is used up; `retryAfterMs`;
 * - `github-limit`: another rate limit, which says nothing about the credential (`retryAfterMs` when GitHub tells);
 * - `github-unavailable`: no answer, 5xx, or not GitHub's answer (transient): nothing can be told.
 */
export interface GitHub {
  whoIs(token: string): Promise<GitHubIdentity>;
  /** `name` is `owner/repository`. */
  repository(token: string, name: string): Promise<RepositoryAccess>;
  /** Returns when GitHub accepts the pair of an OAuth app. */
  checkApp(clientId: string, clientSecret: string): Promise<void>;
}
