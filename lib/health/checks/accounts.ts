import type { HostedProjects, HostedVariables } from '../../ports/hosting.js';
import type { UpstashAccount } from '../../ports/upstash-account.js';
import { fail, ok, warn, type CheckGroup } from '../doctor.js';

interface Hosting {
  readonly projects: HostedProjects;
  readonly variables: HostedVariables;
}

/** Checks the token of Vercel's API and each project named in `named`. `open` may throw `config`. */
export function hostingChecks(open: () => Hosting, named: Readonly<Record<string, string>>): CheckGroup {
  return [
    {
      name: 'vercel',
      run: async () => {
        const found = await open().projects.list();
        if (found.length > 0) return ok(`the token is accepted and has access to ${found.length} projects`);
        return warn(
          'the token is accepted, but has access to no project',
          'Set VERCEL_TEAM_ID to the team of the projects, or leave it out for a personal account.',
        );
      },
    },
    ...Object.entries(named).map(([variable, project]) => ({
      name: `vercel-${variable.replace(/^SOULCASTER_|_PROJECT$/g, '').toLowerCase()}`,
      run: async () => {
        const { length } = await open().variables.list(project);
        return ok(`${project} (${variable}) is accessible and has ${length} variables in production`);
      },
    })),
  ];
}

/** Checks the account's key, and that UPSTASH_REDIS_ID is the database that is backed up at `protectedHost`. */
export function accountChecks(
  open: () => UpstashAccount,
  database: () => string,
  protectedHost: string | null,
): CheckGroup {
  return [
    {
      name: 'upstash-account',
      run: async () => {
        const { host, name, state } = await open().database(database());
        if (protectedHost !== null && host !== protectedHost) {
          return fail(
            `UPSTASH_REDIS_ID is the database ${name} (${host}), but ${protectedHost} is backed up`,
            'Set UPSTASH_REDIS_ID to the id of the database of UPSTASH_REDIS_REST_URL (Upstash console, the database, Details).',
          );
        }
        if (state === 'active') return ok(`the key is accepted, and ${name} is active`);
        return fail(`the database ${name} is ${state}`, 'Check the database in the Upstash console.');
      },
    },
  ];
}
