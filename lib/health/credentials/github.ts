import { AppError, type ErrorCode } from '../../errors.js';
import { skipped, type CheckGroup, type Observation } from '../doctor.js';
import type { Clock } from '../../ports/clock.js';
import type { GitHub, GitHubIdentity } from '../../ports/github.js';
import { NO_NOTES, type ExpiryNotes } from './expiry.js';

/** All outcomes of a check of a credential. */
type CredentialOutcome =
  | 'accepted'
  | 'expires-soon'
  | 'scopes-unknown'
  | 'expired'
  | 'revoked'
  | 'under-scoped'
  | 'not-reached'
  | 'sso-required'
  | 'policy-refused'
  | 'suspended'
  | 'wrong-secret'
  | 'rate-limited'
  | 'unreachable';

/** Outcomes that leave open whether the credential is valid. It cannot be used now. */
export const UNDECIDED: ReadonlySet<string> = new Set<CredentialOutcome>(['rate-limited', 'unreachable']);

export function outcome(
  code: CredentialOutcome,
  status: Observation['status'],
  detail: string,
  hint: string | null = null,
): Observation {
  return { status, detail, hint, code };
}

type Meaning = (error: AppError, what: string) => Observation;

const undecided =
  (code: CredentialOutcome): Meaning =>
  ({ hint, message }) =>
    outcome(code, 'fail', `it could not be tried: ${message}`, hint);

const MEANINGS: Partial<Record<ErrorCode, Meaning>> = {
  'github-limit': undecided('rate-limited'),
  // The credential is valid, and the limit resets within the hour: no alert, although nothing works until then.
  'github-exhausted': ({ hint, message }, what) =>
    outcome('rate-limited', 'warn', `GitHub accepts ${what}, but refuses its requests for now: ${message}`, hint),
  'github-unavailable': undecided('unreachable'),
  'github-sso': ({ hint, message }) => outcome('sso-required', 'fail', message, hint),
  'github-policy': ({ hint, message }) => outcome('policy-refused', 'fail', message, hint),
  'github-suspended': ({ hint, message }) => outcome('suspended', 'fail', message, hint),
  'github-scope': ({ hint }, what) => outcome('under-scoped', 'fail', `${what} lacks a permission that it needs`, hint),
  'github-denied': ({ hint }, what) => outcome('revoked', 'fail', `GitHub does not know ${what} (HTTP 401)`, hint),
};

/** The outcome that an error of the GitHub port stands for. Any other error is rethrown. */
export function outcomeOf(error: unknown, what: string): Observation {
  const meaning = error instanceof AppError ? MEANINGS[error.code] : undefined;
  if (meaning === undefined) throw error;
  return meaning(error as AppError, what);
}

/** A token that expires sooner gets a warning. */
const SOON_MS = 14 * 24 * 3_600_000;
/** The scope of a classic token: Soulcaster reads issues, pushes branches and opens pull requests, in private repositories too. */
const NEEDED_SCOPE = 'repo';

const NEW_TOKEN = 'Make a new token on GitHub and run `npx soulcaster-backup github rotate --env-file .env`.';

export interface TokenCheck {
  readonly token: string;
  /** Repositories (`owner/repository`) that the token must reach; without any, a fine-grained token cannot be evaluated. */
  readonly repositories: readonly string[];
}

interface Needs {
  readonly clock: Clock;
  readonly expiry: ExpiryNotes;
}

/**
 * Checks that GitHub accepts the token, for how long, and that the token has the permissions that Soulcaster needs. `load` may
 * throw `config`.
 */
export function githubTokenChecks(open: () => GitHub, needs: Needs, load: () => TokenCheck): CheckGroup {
  let opened: GitHub | null = null;
  const github = (): GitHub => (opened ??= open());
  return [
    { name: 'github-token', run: async () => examineToken(github(), needs, load()) },
    { name: 'github-repos', run: async () => examineRepositories(github(), load()) },
  ];
}

export async function examineToken(github: GitHub, needs: Needs, check: TokenCheck): Promise<Observation> {
  try {
    const identity = await github.identify(check.token);
    if (identity.expiresAt !== null) await needs.expiry.save(check.token, identity.expiresAt);
    return evaluateIdentity(identity, needs.clock.now(), check);
  } catch (error) {
    const observed = outcomeOf(error, 'the token');
    return observed.code === 'revoked'
      ? reportRefused(await needs.expiry.load(check.token), needs.clock.now())
      : observed;
  }
}

/** Checks that the token can see and push to each repository. Stops at the first that it cannot see. */
export async function examineRepositories(github: GitHub, check: TokenCheck): Promise<Observation> {
  if (check.repositories.length === 0) return skipped('GITHUB_CHECK_REPOS is not set');
  const readOnly: string[] = [];
  for (const name of check.repositories) {
    try {
      const access = await github.repository(check.token, name);
      if (access === 'hidden') return reportHidden(name);
      if (access === 'moved') return reportMoved(name);
      if (access === 'read') readOnly.push(name);
    } catch (error) {
      const observed = outcomeOf(error, 'the token');
      return { ...observed, detail: `${name}: ${observed.detail}` };
    }
  }
  if (readOnly.length > 0) return reportReadOnly(readOnly);
  return outcome('accepted', 'ok', `reads and writes ${check.repositories.join(', ')}`);
}

function evaluateIdentity(
  { login, scopes, expiresAt, rate }: GitHubIdentity,
  now: number,
  check: TokenCheck,
): Observation {
  const ends = expiresAt === null ? '' : `, until ${day(expiresAt)}`;
  const left = rate === null ? '' : `, ${rate.remaining} of ${rate.limit} requests left this hour`;
  if (expiresAt !== null && expiresAt <= now) return reportExpired(expiresAt);
  if (scopes !== null && !scopes.includes(NEEDED_SCOPE)) return reportMissingScope(login, scopes);
  if (expiresAt !== null && expiresAt - now <= SOON_MS) {
    return outcome('expires-soon', 'warn', `token of ${login}; it expires on ${day(expiresAt)}`, NEW_TOKEN);
  }
  if (scopes === null && check.repositories.length === 0) {
    return outcome(
      'scopes-unknown',
      'warn',
      `token of ${login}${ends}; GitHub does not report the permissions of a fine-grained token`,
      'Set GITHUB_CHECK_REPOS to a repository that the application works on: doctor then tries to access it.',
    );
  }
  return outcome('accepted', 'ok', `token of ${login}${ends}${left}`);
}

function reportRefused(expiresAt: number | null, now: number): Observation {
  if (expiresAt !== null && expiresAt <= now) return reportExpired(expiresAt);
  const why = expiresAt === null ? 'it was revoked, has expired or is incomplete' : 'it was revoked before it expired';
  return outcome('revoked', 'fail', `GitHub does not accept the token (HTTP 401): ${why}`, NEW_TOKEN);
}

function reportExpired(expiresAt: number): Observation {
  return outcome('expired', 'fail', `the token expired on ${day(expiresAt)}`, NEW_TOKEN);
}

function reportMissingScope(login: string, scopes: readonly string[]): Observation {
  const has = scopes.length === 0 ? 'none' : scopes.join(', ');
  return outcome(
    'under-scoped',
    'fail',
    `token of ${login}; it lacks the scope ${NEEDED_SCOPE} (it has: ${has})`,
    `Edit the token on GitHub (Settings, Developer settings) and give it ${NEEDED_SCOPE}; its value stays the same.`,
  );
}

/** GitHub gives the same answer for a missing repository and for one that the token may not see. */
function reportHidden(name: string): Observation {
  return outcome(
    'not-reached',
    'fail',
    `the token does not reach ${name} (HTTP 404): there is no repository of that name, the token's account is not a member, or a fine-grained token has no access to it`,
    "Open it on GitHub as the token's account. If it exists, give the token access to it (fine-grained: Repository access; classic: the scope repo, and for an organization Configure SSO). If it was renamed or removed, correct GITHUB_CHECK_REPOS.",
  );
}

function reportMoved(name: string): Observation {
  return outcome(
    'accepted',
    'warn',
    `${name} has been renamed`,
    'Change the name in GITHUB_CHECK_REPOS and in Soulcaster.',
  );
}

function reportReadOnly(names: readonly string[]): Observation {
  return outcome(
    'under-scoped',
    'fail',
    `may read ${names.join(', ')}, but not push`,
    'Give the account write access to the repository: Soulcaster pushes branches and opens pull requests.',
  );
}

const day = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** The OAuth app through which people sign in to the dashboard. */
export interface AppCheck {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Checks that GitHub accepts the client id and secret of the OAuth app. `load` throws `config` if one is missing. */
export function githubAppChecks(open: () => GitHub, load: () => AppCheck): CheckGroup {
  return [{ name: 'github-app', run: async () => examineApp(open(), load()) }];
}

export async function examineApp(github: GitHub, { clientId, clientSecret }: AppCheck): Promise<Observation> {
  try {
    await github.checkApp(clientId, clientSecret);
    return outcome('accepted', 'ok', 'GitHub accepts the client id and secret of the OAuth app');
  } catch (error) {
    const observed = outcomeOf(error, 'the OAuth app');
    if (observed.code === 'revoked') return reportWrongPair();
    return observed.code === 'under-scoped' ? reportRefusedApp() : observed;
  }
}

function reportWrongPair(): Observation {
  return outcome(
    'wrong-secret',
    'fail',
    'GitHub does not accept the client id and secret of the OAuth app (HTTP 401): nobody can sign in',
    'Generate a new client secret (GitHub, Settings, Developer settings, OAuth Apps) and run `npx soulcaster-backup github rotate --app --env-file .env`.',
  );
}

function reportRefusedApp(): Observation {
  return outcome(
    'suspended',
    'fail',
    'GitHub refuses the OAuth app (HTTP 403)',
    'Check the app on GitHub (Settings, Developer settings, OAuth Apps): it may be suspended, or be another kind of app.',
  );
}

/** Tries a new token. Returns a description of it; throws if it does not work or cannot be tried. */
export async function assertTokenWorks(github: GitHub, clock: Clock, check: TokenCheck): Promise<string> {
  const identity = assertUsable(await examineToken(github, { clock, expiry: NO_NOTES }, check));
  if (check.repositories.length === 0) return identity;
  return `${identity}; ${assertUsable(await examineRepositories(github, check))}`;
}

/** Tries the new client id and secret of an OAuth app. */
export async function assertAppWorks(github: GitHub, check: AppCheck): Promise<string> {
  return assertUsable(await examineApp(github, check));
}

/** Warnings are accepted. */
function assertUsable({ code, detail, hint, status }: Observation): string {
  const isUndecided = code !== undefined && UNDECIDED.has(code);
  if (status !== 'fail' && !isUndecided) return detail;
  if (isUndecided) {
    throw new AppError('github-unavailable', `The new value cannot be tried, so nothing was changed: ${detail}`, {
      hint: hint ?? 'Try again when GitHub answers.',
    });
  }
  throw new AppError('github-denied', `The new value does not work: ${detail}`, {
    hint: hint ?? 'Use another value.',
  });
}
