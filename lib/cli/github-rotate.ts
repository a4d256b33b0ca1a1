import { loadConfig, type Environment } from '../app/config.js';
import { connect } from '../app/connect.js';
import { AppError } from '../errors.js';
import { assertAppWorks, assertTokenWorks } from '../health/credentials/demand.js';
import type { Context } from './context.js';
import {
  carryOutRotation,
  assertCanConfirm,
  rotationPorts,
  type RotationOptions,
  type Wanted,
} from './rotate/carry-out.js';
import { readSecrets, type SecretOptions, type Secrets } from './rotate/secret-input.js';

export interface GithubRotateOptions extends RotationOptions, SecretOptions {
  readonly app?: boolean;
  readonly clientId?: string;
  readonly project?: readonly string[];
}

/** `github rotate`: a new GITHUB_TOKEN for the backend or, with --app, a new GITHUB_SECRET for the dashboard. */
export async function githubRotate(context: Context, options: GithubRotateOptions): Promise<number> {
  assertCanConfirm(options);
  if (options.clientId !== undefined && options.app !== true) throw clientIdWithoutAppError();
  rotationPorts(context);
  const wanted = options.app === true ? appRotation : tokenRotation;
  return carryOutRotation(context, await wanted(context, options), options);
}

async function tokenRotation(context: Context, options: GithubRotateOptions): Promise<Wanted> {
  const { github, clock } = connect(context.env, ['github', 'clock']);
  const repositories = loadConfig(context.env, ['github']).github.GITHUB_CHECK_REPOS;
  const projects = options.project ?? [
    loadConfig(context.env, ['backendProject']).backendProject.SOULCASTER_BACKEND_PROJECT,
  ];
  const { value, old } = await readSecrets(context, 'The new GITHUB_TOKEN', options);
  return {
    purpose: 'github-token',
    changes: projects.map((project) => ({ project, variable: 'GITHUB_TOKEN', value })),
    oldValues: oldValueOf('GITHUB_TOKEN', old),
    candidates: candidates(context.env, 'GITHUB_TOKEN'),
    prove: () => assertTokenWorks(github, clock, { token: value, repositories }),
  };
}

async function appRotation(context: Context, options: GithubRotateOptions): Promise<Wanted> {
  const { github } = connect(context.env, ['github']);
  const clientId = options.clientId ?? context.env['GITHUB_ID'] ?? '';
  if (clientId === '') throw missingClientIdError();
  const projects = options.project ?? [
    loadConfig(context.env, ['dashboardProject']).dashboardProject.SOULCASTER_DASHBOARD_PROJECT,
  ];
  const { value, old } = await readSecrets(context, 'The new GITHUB_SECRET', options);
  return {
    purpose: 'github-app',
    changes: projects.flatMap((project) => [
      ...(options.clientId === undefined ? [] : [{ project, variable: 'GITHUB_ID', value: clientId }]),
      { project, variable: 'GITHUB_SECRET', value },
    ]),
    oldValues: [...oldValueOf('GITHUB_SECRET', old), ...oldValueOf('GITHUB_ID', context.env['GITHUB_ID'] ?? null)],
    candidates: [...candidates(context.env, 'GITHUB_SECRET'), ...candidates(context.env, 'GITHUB_ID')],
    prove: () => assertAppWorks(github, { clientId, clientSecret: value }),
  };
}

function oldValueOf(variable: string, value: Secrets['old']): Wanted['oldValues'] {
  return value === null || value === '' ? [] : [{ variable, value }];
}

function candidates(env: Environment, name: string): string[] {
  return (env[name] ?? '') === '' ? [] : [env[name] ?? ''];
}

function clientIdWithoutAppError(): AppError {
  return new AppError('usage', '--client-id can only be used with --app', {
    hint: 'Give --app as well, or omit --client-id.',
  });
}

function missingClientIdError(): AppError {
  return new AppError('config', 'The configuration is not complete: GITHUB_ID is missing', {
    hint: 'Set GITHUB_ID to the client id of the OAuth app, or give --client-id.',
  });
}
