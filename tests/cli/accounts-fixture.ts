import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startGitHub, type GitHubStandIn } from '../../dev/github/index.js';
import { startVercelApi, type VercelStandIn, type VercelStandInOptions } from '../../dev/vercel-api/index.js';
import { cli, type Ended, type Variables } from './fixture.js';

export const OLD_TOKEN = 'ghp_old0old0old0old0old0old0old0old0old0';
export const NEW_TOKEN = 'ghp_new0new0new0new0new0new0new0new0new0';
export const CLIENT_ID = 'Ov23liAbCdEfGhIjKl';
export const OLD_SECRET = '0123456789abcdef0123456789abcdef01234567';
export const NEW_SECRET = 'fedcba9876543210fedcba9876543210fedcba98';
const SECRETS = [OLD_TOKEN, NEW_TOKEN, OLD_SECRET, NEW_SECRET];

export interface Accounts {
  readonly github: GitHubStandIn;
  readonly vercel: VercelStandIn;
  readonly env: Readonly<Record<string, string>>;
  /** Runs the program to its end; fails when any secret is in what it wrote, or in the store. */
  run(args: readonly string[], input?: string, more?: Variables): Promise<Ended>;
  runJson(
    args: readonly string[],
    input?: string,
    more?: Variables,
  ): Promise<Ended & { json: Record<string, unknown> }>;
  readonly folder: string;
  stop(): Promise<void>;
}

/** GitHub, Vercel with two projects, and a store, for the real program. */
export async function openAccounts(
  projects: NonNullable<VercelStandInOptions['projects']> = {
    'soulcaster-backend': { GITHUB_TOKEN: OLD_TOKEN },
    'soulcaster-dashboard': { GITHUB_ID: CLIENT_ID, GITHUB_SECRET: OLD_SECRET },
  },
): Promise<Accounts> {
  const github = await startGitHub({
    tokens: [{ token: NEW_TOKEN, login: 'octo', scopes: ['repo'] }],
    apps: [{ clientId: CLIENT_ID, clientSecret: NEW_SECRET }],
  });
  const vercel = await startVercelApi({ team: 'team_acme', projects, build: () => ({ buildingReads: 0 }) });
  const folder = await mkdtemp(join(tmpdir(), 'cli-accounts-'));
  const env = {
    BACKUP_STORE: pathToFileURL(folder).href,
    GITHUB_API_URL: github.url,
    VERCEL_API_URL: vercel.url,
    VERCEL_API_TOKEN: vercel.token,
    VERCEL_TEAM_ID: 'team_acme',
    SOULCASTER_BACKEND_PROJECT: 'soulcaster-backend',
    SOULCASTER_DASHBOARD_PROJECT: 'soulcaster-dashboard',
  };
  const accounts: Accounts = {
    github,
    vercel,
    env,
    folder,
    async run(args, input = '', more = {}) {
      const variables = { ...env, ...more };
      const result = await cli(args, variables, input);
      const everything = `${result.stdout}${result.stderr}${await textOf(folder)}`;
      const leaked = [...SECRETS, vercel.token].filter((secret) => everything.includes(secret));
      if (leaked.length > 0) throw new Error(`${leaked.length} secrets are in the output or the store`);
      return result;
    },
    async runJson(args, input, more) {
      const result = await accounts.run([...args, '--json'], input, more);
      return { ...result, json: JSON.parse(result.stdout) as Record<string, unknown> };
    },
    async stop() {
      await Promise.all([github.stop(), vercel.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
  return accounts;
}

export async function textOf(folder: string): Promise<string> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const texts = files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), 'utf8'));
  return (await Promise.all(texts)).join('\n');
}
