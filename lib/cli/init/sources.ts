import { dirname, join, resolve } from 'node:path';
import { readFile } from 'node:fs/promises';
import { checkGroups } from '../../app/checks.js';
import { knownVariables, type Environment } from '../../app/config.js';
import { connect, connectSigningKeys } from '../../app/connect.js';
import { generateAgeIdentity, generateSigningKey, recipientsOf } from '../../app/connect/keys.js';
import { toAppError } from '../../errors.js';
import { examine, type CheckResult } from '../../health/doctor.js';
import type { Clock } from '../../ports/clock.js';
import type { Sources, Values } from '../../setup/model.js';

/** The given values, and variables of the process that are not this program's, such as those of the AWS SDK. */
export function mergeEnvironment(env: Environment, values: Values): Environment {
  const known = knownVariables();
  const others = Object.entries(env).filter(([name]) => !known.has(name) || name === 'AWS_PROFILE');
  return { ...Object.fromEntries(others), ...values };
}

/** Runs only doctor's checks with these names. Checks that need a deployment are left out: there may be none yet. */
export async function runNamedChecks(
  env: Environment,
  clock: Clock,
  names: readonly string[],
  interrupt: AbortSignal,
): Promise<CheckResult[]> {
  const groups = checkGroups(env, clock, true)
    .filter(([first]) => first !== undefined && names.includes(first.name))
    .map((group) => group.filter(({ name }) => name !== 'queue-way-back'));
  const results: CheckResult[] = [];
  for await (const result of examine(clock, groups)) {
    if (interrupt.aborted) throw toAppError(interrupt.reason);
    if (result.status !== 'skipped') results.push(result);
  }
  return results;
}

/** `identityFile`: the path of the age identity, relative to the folder of `envFile`. */
export function sourcesOf(env: Environment, envFile: string, identityFile: string): Sources {
  const withValues = (values: Values): Environment => mergeEnvironment(env, values);
  return {
    account: (values) => connect({ UPSTASH_REDIS_ID: 'not-known-yet', ...withValues(values) }, ['account']).account,
    projects: (values) => connect(withValues(values), ['projects']).projects,
    queueSigningKeys: (values) => connectSigningKeys(withValues(values)),
    generateSigningKey: () => generateSigningKey().privateKey,
    async ageIdentity() {
      const existing = await readFile(identityPath(envFile, identityFile), 'utf8').catch(() => null);
      if (existing !== null) return { recipients: await recipientsOf(existing), fresh: null, file: identityFile };
      const { identity, recipient } = await generateAgeIdentity();
      return { recipients: [recipient], fresh: identity, file: identityFile };
    },
  };
}

/** Resolves the identity file relative to the folder of the env file. */
export function identityPath(envFile: string, identityFile: string): string {
  return resolve(join(dirname(resolve(envFile))), identityFile);
}
