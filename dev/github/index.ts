import { serveApi, type ApiCall, type ApiReply, type Served } from '../stand-in-server.js';

export interface StandInToken {
  readonly token: string;
  readonly login: string;
  /** Scopes of a classic token; null for a fine-grained one. */
  readonly scopes: readonly string[] | null;
  /** In GitHub's format, such as `2026-12-31 23:59:59 UTC`; null when the token never expires. */
  readonly expires?: string | null;
  /** Access by `owner/name`; `write` allows pushing. */
  readonly repositories?: Readonly<Record<string, 'read' | 'write'>>;
}

interface StandInApp {
  readonly clientId: string;
  readonly clientSecret: string;
}

/**
 * Faults: a rate limit (`primary` with X-RateLimit-Remaining 0, `secondary` with Retry-After, `secondary-bare` with its text
 * alone, `address` for calls without a credential), credentials refused after too many wrong ones, an organization's single
 * sign-on, a suspended account or app, a fine-grained token without the permission, a status of 5xx, no answer, or a page
 * that is not from GitHub.
 */
export type GitHubFault =
  | 'primary'
  | 'secondary'
  | 'secondary-bare'
  | 'address'
  | 'login-attempts'
  | 'sso'
  | 'suspended'
  | 'ip-allow-list'
  | 'token-lifetime'
  | 'classic-banned'
  | 'app-restricted'
  | 'abuse'
  | 'not-accessible'
  | 'cut'
  | 'hang'
  | 'not-json'
  | 500
  | 502
  | 503;

interface GitHubStandInOptions {
  readonly tokens?: readonly StandInToken[];
  readonly apps?: readonly StandInApp[];
  /** Returns the fault of a call; null for none. */
  readonly fault?: (call: ApiCall) => GitHubFault | null;
}

export interface GitHubStandIn {
  readonly url: string;
  readonly calls: readonly ApiCall[];
  /** Replaces the given tokens, apps or faults. */
  set(changes: GitHubStandInOptions): void;
  stop(): Promise<void>;
}

const RATE = { 'x-ratelimit-limit': '5000', 'x-ratelimit-used': '12' };

/**
 * A stand-in for the calls of GitHub's REST API that check credentials, on loopback.
 *
 * Modelled, after github/rest-api-description and docs.github.com: GET /user, GET /repos/{owner}/{repo}, POST
 * /applications/{client_id}/token with basic authorisation; the headers of scopes, expiry and rate limit; 401 `Bad
 * credentials`, 403 and 429 of the limits, 403 of single sign-on, suspension and missing permissions, 404 for repositories
 * that a token may not see. Not modelled: everything else. Guessed: that an unknown client id is answered as a wrong secret.
 */
export async function startGitHub(options: GitHubStandInOptions = {}): Promise<GitHubStandIn> {
  let now: Required<GitHubStandInOptions> = { tokens: [], apps: [], fault: () => null, ...options };
  const calls: ApiCall[] = [];
  const server = await serveApi((call) => {
    calls.push(call);
    const fault = now.fault(call);
    return fault === null ? answerCall(now, call) : applyFault(fault);
  });
  return {
    url: server.url,
    calls,
    set: (changes) => void (now = { ...now, ...changes }),
    stop: () => server.stop(),
  };
}

function answerCall(now: Required<GitHubStandInOptions>, call: ApiCall): ApiReply {
  const app = /^\/applications\/([^/]+)\/token$/.exec(call.path)?.[1];
  if (app !== undefined && call.method === 'POST') return checkToken(now, decodeURIComponent(app), call);
  const given = /^(?:Bearer|token) (.+)$/i.exec(call.headers.authorization ?? '')?.[1];
  const token = now.tokens.find((one) => one.token === given);
  if (token === undefined) return problem(401, 'Bad credentials');
  if (call.path === '/user') return { status: 200, headers: headersOf(token), body: { login: token.login, id: 1 } };
  const [, owner = '', name = ''] = /^\/repos\/([^/]+)\/([^/]+)$/.exec(call.path) ?? [];
  const access = token.repositories?.[`${decodeURIComponent(owner)}/${decodeURIComponent(name)}`];
  if (access === undefined) return problem(404, 'Not Found', headersOf(token));
  const permissions = { admin: false, push: access === 'write', pull: true };
  return { status: 200, headers: headersOf(token), body: { name, full_name: `${owner}/${name}`, permissions } };
}

function checkToken({ apps, tokens }: Required<GitHubStandInOptions>, clientId: string, call: ApiCall): ApiReply {
  const pair = Buffer.from(/^Basic (.+)$/.exec(call.headers.authorization ?? '')?.[1] ?? '', 'base64').toString('utf8');
  const isKnown = apps.some((app) => app.clientId === clientId && pair === `${app.clientId}:${app.clientSecret}`);
  if (!isKnown) return problem(401, 'Bad credentials');
  const { access_token: given } = (call.body ?? {}) as { access_token?: unknown };
  if (typeof given !== 'string') return problem(422, 'Validation Failed');
  return tokens.some(({ token }) => token === given)
    ? { status: 200, body: { token: given } }
    : problem(404, 'Not Found');
}

function headersOf({ expires, scopes }: StandInToken): Record<string, string> {
  return {
    ...RATE,
    'x-ratelimit-remaining': '4988',
    'x-ratelimit-reset': String(Math.ceil(Date.now() / 1000) + 1800),
    ...(scopes === null ? {} : { 'x-oauth-scopes': scopes.join(', '), 'x-accepted-oauth-scopes': '' }),
    ...(expires == null ? {} : { 'github-authentication-token-expiration': expires }),
  };
}

function applyFault(fault: GitHubFault): Served {
  const reset = String(Math.ceil(Date.now() / 1000) + 900);
  switch (fault) {
    case 'cut':
    case 'hang':
      return fault;
    case 'primary':
      return problem(403, 'API rate limit exceeded for user ID 1.', {
        ...RATE,
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': reset,
      });
    case 'address':
      return problem(403, 'API rate limit exceeded for 203.0.113.7.', {
        'x-ratelimit-limit': '60',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': reset,
      });
    case 'login-attempts':
      return problem(403, 'Maximum number of login attempts exceeded. Please try again later.');
    case 'secondary':
      return problem(429, 'You have exceeded a secondary rate limit.', { 'retry-after': '60' });
    case 'secondary-bare':
      return problem(403, 'You have exceeded a secondary rate limit. Please wait a few minutes.');
    case 'sso':
      return problem(
        403,
        'Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this organization.',
        { 'x-github-sso': 'required; url=https://github.com/orgs/acme/sso?authorization_request=ABC' },
      );
    case 'suspended':
      return problem(403, 'Sorry. Your account was suspended.');
    case 'ip-allow-list':
      return problem(
        403,
        'Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow list enabled, and your IP address is not permitted to access this resource.',
      );
    case 'token-lifetime':
      return problem(
        403,
        "The 'acme' organization forbids access via a fine-grained personal access tokens if the token's lifetime is greater than 366 days. Please adjust your token's lifetime at the following URL: https://github.com/settings/personal-access-tokens/1",
      );
    case 'classic-banned':
      return problem(
        403,
        '`acme` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or a personal access token with fine-grained permissions.',
      );
    case 'app-restricted':
      return problem(
        403,
        'Although you appear to have the correct authorization credentials, the `acme` organization has enabled OAuth App access restrictions, meaning that data access to third-parties is limited.',
      );
    case 'abuse':
      return problem(
        403,
        'You have triggered an abuse detection mechanism. Please wait a few minutes before you try again.',
      );
    case 'not-accessible':
      return problem(403, 'Resource not accessible by personal access token');
    case 'not-json':
      return { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>a page of some proxy</html>' };
    case 500:
    case 502:
    case 503:
      return problem(fault, 'Server Error');
  }
}

function problem(status: number, message: string, headers: Record<string, string> = {}): ApiReply {
  const body = { message, documentation_url: 'https://docs.github.com/rest', status: String(status) };
  return { status, headers, body };
}
