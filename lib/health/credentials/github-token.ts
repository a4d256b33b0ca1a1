import type { Clock } from '../../ports/clock.js';
import type { GitHub, GitHubIdentity } from '../../ports/github.js';
import type { CheckGroup, Observation } from '../doctor.js';
import type { ExpiryNotes } from './expiry.js';
import { outcome, outcomeOf } from './outcomes.js';

/** A token that ends within this many days is worth a warning, in milliseconds. */
const SOON_MS = 14 * 24 * 3_600_000;
/** What a classic token needs: Soulcaster reads issues, pushes branches and opens pull requests, in private ones too. */
const NEEDED_SCOPE = 'repo';

const NEW_TOKEN = 'Make a new token on GitHub and run `npx soulcaster-backup github rotate --env-file .env`.';

export interface TokenCheck {
  readonly token: string;
  /** Repositories (`owner/repository`) that the token has to reach; without any, a fine-grained token cannot be judged. */
  readonly repositories: readonly string[];
}

interface Needs {
  readonly clock: Clock;
  readonly expiry: ExpiryNotes;
}

/**
 * Whether GitHub still accepts the token, for how long, and whether it may do what Soulcaster does with it. `load` may throw
 * `config`.
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
    const identity = await github.whoIs(check.token);
    if (identity.expiresAt !== null) await needs.expiry.note(check.token, identity.expiresAt);
    return evaluate(identity, needs.clock.now(), check);
  } catch (error) {
    const seen = outcomeOf(error, 'the token');
    return seen.code === 'revoked' ? refused(await needs.expiry.recall(check.token), needs.clock.now()) : seen;
  }
}

/** Whether each repository is there for the token, and may be pushed to. Stops at the first that is not. */
export async function examineRepositories(github: GitHub, check: TokenCheck): Promise<Observation> {
  if (check.repositories.length === 0)
    return { status: 'skipped', detail: 'GITHUB_CHECK_REPOS is not set', hint: null };
  const readOnly: string[] = [];
  for (const name of check.repositories) {
    try {
      const access = await github.repository(check.token, name);
      if (access === 'hidden') return hidden(name);
      if (access === 'moved') return moved(name);
      if (access === 'read') readOnly.push(name);
    } catch (error) {
      const seen = outcomeOf(error, 'the token');
      return { ...seen, detail: `${name}: ${seen.detail}` };
    }
  }
  if (readOnly.length > 0) return mayNotPush(readOnly);
  return outcome('accepted', 'ok', `reads and writes ${check.repositories.join(', ')}`);
}

function evaluate({ login, scopes, expiresAt, rate }: GitHubIdentity, now: number, check: TokenCheck): Observation {
  const ends = expiresAt === null ? '' : `, until ${day(expiresAt)}`;
  const left = rate === null ? '' : `, ${rate.remaining} of ${rate.limit} requests left this hour`;
  if (expiresAt !== null && expiresAt <= now) return expired(expiresAt);
  if (scopes !== null && !scopes.includes(NEEDED_SCOPE)) return lacksScope(login, scopes);
  if (expiresAt !== null && expiresAt - now <= SOON_MS) {
    return outcome('expires-soon', 'warn', `that of ${login}, but it ends on ${day(expiresAt)}`, NEW_TOKEN);
  }
  if (scopes === null && check.repositories.length === 0) {
    return outcome(
      'scopes-unknown',
      'warn',
      `that of ${login}${ends}; GitHub does not tell what a fine-grained token may do`,
      'Set GITHUB_CHECK_REPOS to a repository that the application works on, so that its access is tried.',
    );
  }
  return outcome('accepted', 'ok', `that of ${login}${ends}${left}`);
}

function refused(expiresAt: number | null, now: number): Observation {
  if (expiresAt !== null && expiresAt <= now) return expired(expiresAt);
  const why =
    expiresAt === null ? 'it was revoked, has expired or is not whole' : 'it was revoked before its time was over';
  return outcome('revoked', 'fail', `GitHub does not accept the token (HTTP 401): ${why}`, NEW_TOKEN);
}

function expired(expiresAt: number): Observation {
  return outcome('expired', 'fail', `the token has expired on ${day(expiresAt)}`, NEW_TOKEN);
}

function lacksScope(login: string, scopes: readonly string[]): Observation {
  const has = scopes.length === 0 ? 'none' : scopes.join(', ');
  return outcome(
    'under-scoped',
    'fail',
    `that of ${login}, but it lacks the scope ${NEEDED_SCOPE} (it has: ${has})`,
    `Edit the token on GitHub (Settings, Developer settings) and give it ${NEEDED_SCOPE}; its value stays the same.`,
  );
}

/** GitHub answers the same for what is not there and for what the token may not see. */
function hidden(name: string): Observation {
  return outcome(
    'not-reached',
    'fail',
    `the token does not reach ${name} (HTTP 404): there is no repository of that name, the token's account is no member of it, or a fine-grained token was not given it`,
    "Open it on GitHub as the token's account. If it is there, give the token access to it (fine-grained: Repository access; classic: the scope repo, and for an organization Configure SSO). If it was renamed or removed, correct GITHUB_CHECK_REPOS.",
  );
}

function moved(name: string): Observation {
  return outcome(
    'accepted',
    'warn',
    `${name} has another name by now`,
    'Change GITHUB_CHECK_REPOS, and the repository in Soulcaster.',
  );
}

function mayNotPush(names: readonly string[]): Observation {
  return outcome(
    'under-scoped',
    'fail',
    `may read ${names.join(', ')}, but not push`,
    'Give the account write access to the repository: Soulcaster pushes branches and opens pull requests.',
  );
}

const day = (time: number): string => new Date(time).toISOString().slice(0, 10);
