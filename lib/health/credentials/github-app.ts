import type { GitHub } from '../../ports/github.js';
import type { CheckGroup, Observation } from '../doctor.js';
import { outcome, outcomeOf } from './outcomes.js';

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
