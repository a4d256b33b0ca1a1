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

/** The variables of the process that are none of ours, such as those of the AWS SDK, with the values over them. */
export function environmentOf(env: Environment, values: Values): Environment {
  const known = knownVariables();
  const others = Object.entries(env).filter(([name]) => !known.has(name) || name === 'AWS_PROFILE');
  return { ...Object.fromEntries(others), ...values };
}

/** Makes doctor's own checks of these names, and no others. The deployment need not be there: what goes by it is left out. */
export async function probe(
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

/** `envFile`: beside which the age identity is kept, in `identityFile`. */
export function sourcesOf(env: Environment, envFile: string, identityFile: string): Sources {
  const over = (values: Values): Environment => environmentOf(env, values);
  return {
    account: (values) => connect({ UPSTASH_REDIS_ID: 'not-known-yet', ...over(values) }, ['account']).account,
    projects: (values) => connect(over(values), ['projects']).projects,
    queueSigningKeys: (values) => connectSigningKeys(over(values)),
    generateSigningKey: () => generateSigningKey().privateKey,
    async ageIdentity() {
      const there = await readFile(identityPath(envFile, identityFile), 'utf8').catch(() => null);
      if (there !== null) return { recipients: await recipientsOf(there), fresh: null, file: identityFile };
      const { identity, recipient } = await generateAgeIdentity();
      return { recipients: [recipient], fresh: identity, file: identityFile };
    },
  };
}

/** A name without a path means a file beside the env file. */
export function identityPath(envFile: string, identityFile: string): string {
  return resolve(join(dirname(resolve(envFile))), identityFile);
}
