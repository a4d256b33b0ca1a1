import { githubAppChecks, type AppCheck, githubTokenChecks, type TokenCheck } from '../health/credentials/github.js';
import { storedExpiry } from '../health/credentials/expiry.js';
import { accountChecks, hostingChecks, providerChecks } from '../health/checks/vendors.js';
import { notConfigured, notConfiguredButNeeded, type CheckGroup } from '../health/doctor.js';
import type { Clock } from '../ports/index.js';
import { PROVIDERS, type Provider } from '../ports/provider-status.js';
import { isSet, loadConfig, type Environment } from './config.js';
import { connect } from './connect.js';
import { protectedDatabase } from './connect/database.js';

interface Groups {
  readonly needed: MakeGroup;
  readonly group: MakeGroup;
}

type MakeGroup = (name: string, variables: readonly string[], meaning: string, make: () => CheckGroup) => CheckGroup;

export function groupMakers(env: Environment): Groups {
  const isAnySet = (variables: readonly string[]): boolean => variables.some((name) => isSet(env, name));
  return {
    needed: (name, variables, meaning, make) => (isAnySet(variables) ? make() : notConfiguredButNeeded(name, meaning)),
    group: (name, variables, meaning, make) => (isAnySet(variables) ? make() : notConfigured(name, meaning)),
  };
}

/** Ignores BACKUP_LABEL, so that an invalid label fails its own check and no other. */
export const unlabelledDatabase = (env: Environment) => protectedDatabase({ ...env, BACKUP_LABEL: '' });

const PROJECTS = ['SOULCASTER_BACKUP_PROJECT', 'SOULCASTER_BACKEND_PROJECT', 'SOULCASTER_DASHBOARD_PROJECT'];

/** Credentials for the vendors' accounts, which only an operator's machine has. */
export function accountGroups(env: Environment): CheckGroup[] {
  const { group } = groupMakers(env);
  const named = PROJECTS.flatMap((variable): [string, string][] => {
    const project = env[variable] ?? '';
    return project === '' ? [] : [[variable, project]];
  });
  return [
    group('vercel', ['VERCEL_API_TOKEN'], 'VERCEL_API_TOKEN is not set: nothing is deployed or rotated from here', () =>
      hostingChecks(() => connect(env, ['projects', 'variables']), Object.fromEntries(named)),
    ),
    group(
      'upstash-account',
      ['UPSTASH_EMAIL', 'UPSTASH_API_KEY'],
      'UPSTASH_API_KEY is not set: Upstash’s own backups cannot be reached from here',
      () =>
        accountChecks(
          () => connect(env, ['account']).account,
          () => loadConfig(env, ['account']).account.UPSTASH_REDIS_ID,
          unlabelledDatabase(env).host,
        ),
    ),
  ];
}

/**
 * One group for each credential of the application: GitHub's token and OAuth app. The expiry of a token is saved in the store,
 * if there is one, because GitHub no longer reports it after the token has expired.
 */
export function credentialGroups(env: Environment, clock: Clock): CheckGroup[] {
  const { group } = groupMakers(env);
  const github = () => connect(env, ['github']).github;
  const expiry = storedExpiry(() => connect(env, ['store']).store);
  return [
    group('github-token', ['GITHUB_TOKEN'], 'GITHUB_TOKEN is not set: the token of the backend is not checked', () =>
      githubTokenChecks(github, { clock, expiry }, () => tokenCheck(env)),
    ),
    group('github-app', ['GITHUB_ID', 'GITHUB_SECRET'], 'GITHUB_ID is not set: the OAuth app is not checked', () =>
      githubAppChecks(github, () => appCheck(env)),
    ),
  ];
}

/** Status pages of the providers in use: AWS if the bucket is there, Google if it embeds. */
export function statusPageGroups(env: Environment): CheckGroup[] {
  const onAws = (env['BACKUP_STORE'] ?? '').startsWith('s3://') && !isSet(env, 'S3_ENDPOINT');
  const onGoogle = isSet(env, 'GEMINI_API_KEY') && !isSet(env, 'GEMINI_BASE_URL');
  const unused: Provider[] = [...(onAws ? [] : ['aws' as const]), ...(onGoogle ? [] : ['google' as const])];
  const used = new Set(PROVIDERS.filter((provider) => !unused.includes(provider)));
  const region = isSet(env, 'S3_REGION') ? (env['S3_REGION'] ?? null) : null;
  return providerChecks({ status: connect(env, ['providers']).providers, used, region });
}

function tokenCheck(env: Environment): TokenCheck {
  const { GITHUB_CHECK_REPOS, GITHUB_TOKEN } = loadConfig(env, ['github']).github;
  return { token: GITHUB_TOKEN ?? '', repositories: GITHUB_CHECK_REPOS };
}

/** Throws `config` when half of the pair is missing. */
function appCheck(env: Environment): AppCheck {
  const { GITHUB_ID, GITHUB_SECRET } = loadConfig(env, ['github', 'githubApp']).githubApp;
  return { clientId: GITHUB_ID, clientSecret: GITHUB_SECRET };
}
