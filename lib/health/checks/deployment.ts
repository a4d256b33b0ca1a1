import { z } from 'zod';
import type { DeploymentDoor, Knock } from '../../ports/task-endpoint.js';
import { fail, ok, warn, type CheckGroup, type Observation } from '../doctor.js';
import { costOfLacking } from './promises.js';
import { hostFault, evaluateRefusal } from './way-back.js';

/** Which deployment is meant, as the configuration here has it; null for what is not set here. */
interface Expected {
  readonly label: string | null;
  readonly database: string | null;
  readonly store: string | null;
  readonly version: string;
}

export interface Outside {
  /** Scheme and host, without a slash at the end. */
  readonly url: string;
  readonly door: () => DeploymentDoor;
  readonly expected: Expected;
  /** As set here; empty where they are not. */
  readonly secrets: { readonly admin: string; readonly cron: string };
  /** Names of the variables that are set here for the functions. */
  readonly variables: readonly string[];
  /** The headers of a webhook with this body, signed with RESTORE_WEBHOOK_SECRET; null where that is not set. May throw `config`. */
  readonly sign: (body: string) => Readonly<Record<string, string>> | null;
  readonly now: () => number;
}

type Answer = Extract<Knock, { kind: 'answer' }>;

/** Tries whether anybody answers at all: what fails here fails everywhere. */
export function reachChecks({ door, url }: Outside): CheckGroup {
  const look = async (): Promise<Observation> => {
    const knock = await door().ask('/api/tasks', { body: '{}' });
    return evaluateRefusal(knock, url, '/api/tasks', 'what is not signed');
  };
  return [{ name: 'tasks', run: look }];
}

/**
 * Tries a deployment from outside, with nothing that starts a run: what it refuses, what it shows to whom, and whether it is
 * configured as the environment here is.
 */
export function deploymentChecks(outside: Outside): CheckGroup[] {
  return [
    [{ name: 'page', run: () => page(outside) }],
    [{ name: 'status', run: () => anonymousStatus(outside) }],
    ...(['/api/cron/backup', '/api/cron/guard'] as const).map((path): CheckGroup => {
      const name = path.replace('/api/cron/', 'cron-');
      return [{ name, run: () => refusal(outside, path, 'callers without CRON_SECRET') }];
    }),
    [
      { name: 'cron-secret', run: () => cronSecret(outside) },
      { name: 'variables', run: () => variables(outside) },
    ],
    [
      {
        name: 'webhook',
        run: () => refusal(outside, '/api/webhooks/restore', 'what is not signed', { body: '{}' }),
      },
    ],
    [{ name: 'webhook-secret', run: () => webhookSecret(outside) }],
    [{ name: 'operators', run: () => refusal(outside, '/api/snapshots', 'callers without ADMIN_TOKEN') }],
    [{ name: 'configuration', run: () => configuration(outside) }],
  ];
}

async function refusal(
  { door, url }: Outside,
  path: string,
  whom: string,
  request: { readonly body?: string } = {},
): Promise<Observation> {
  const knock = await door().ask(path, request);
  const seen = evaluateRefusal(knock, url, path, whom);
  const problem = knock.kind === 'answer' ? knock.problem : null;
  // A door without a key refuses everybody, also those who should come in.
  if (seen.status !== 'ok' || problem === null || !/ is not (set|usable) here/.test(problem.detail)) return seen;
  const [variable = ''] = problem.detail.split(' ');
  const isOptional = variable === 'RESTORE_WEBHOOK_SECRET';
  const words = `the deployment lets nobody in at ${path}: ${problem.detail}`;
  const hint = `Set ${variable} in the Vercel project (\`npx soulcaster-backup deploy --env-file .env\` does) and deploy again.`;
  return isOptional ? warn(words, hint) : fail(words, hint);
}

const HEADERS: readonly [name: string, wanted: RegExp][] = [
  ['content-security-policy', /default-src 'none'/],
  ['x-content-type-options', /nosniff/],
  ['x-frame-options', /deny/i],
  ['referrer-policy', /no-referrer/],
];

async function page({ door, url }: Outside): Promise<Observation> {
  const knock = await door().ask('/');
  const fault = hostFault(knock, url, '/');
  if (fault !== null) return fault;
  const { headers, isPage, status } = knock as Answer;
  if (status !== 200 || !isPage) {
    return fail(
      `the operations page is not at ${url} (HTTP ${status})`,
      'Deploy again with the settings of vercel.json: it builds the page into public/.',
    );
  }
  const missing = HEADERS.filter(([name, wanted]) => !wanted.test(headers[name] ?? '')).map(([name]) => name);
  if (missing.length === 0) return ok('the operations page is there, with its security headers');
  return fail(
    `the operations page comes without ${missing.join(', ')}, as it should have them`,
    'Deploy again with the headers of vercel.json; see whether something between here and Vercel takes them away.',
  );
}

const STALE_MS = 10 * 60_000;
const statusSchema = z.object({ state: z.enum(['ok', 'degraded', 'unknown']), at: z.string().nullable().optional() });

async function anonymousStatus({ door, now, url }: Outside): Promise<Observation> {
  const knock = await door().ask('/api/status');
  const fault = hostFault(knock, url, '/api/status');
  if (fault !== null) return fault;
  const { json, problem, status } = knock as Answer;
  const seen = statusSchema.safeParse(json).data;
  if (seen === undefined) {
    return fail(
      `${url}/api/status answers ${status}${problem === null ? '' : ` (${problem.code}): ${problem.detail}`}`,
      'See the log of /api/status in the Vercel project.',
    );
  }
  const figures = Object.keys(json as object).filter((field) => !['state', 'at', 'label'].includes(field));
  if (figures.length > 0) {
    return fail(
      `${url}/api/status shows figures to anybody: ${figures.slice(0, 5).join(', ')}`,
      'Deploy the present version.',
    );
  }
  // It is computed again after three minutes at most.
  if (seen.state === 'ok' && !(Math.abs(now() - Date.parse(seen.at ?? '')) < STALE_MS)) {
    return fail(
      `${url}/api/status says ok, as of ${seen.at ?? 'no time'}: what is shown is old, or the clocks are apart`,
      "See what stands between here and the deployment and keeps answers (a CDN, a proxy), and this machine's clock.",
    );
  }
  if (seen.state === 'ok') return ok('the deployment says ok');
  return warn(
    `the deployment says ${seen.state}`,
    '`npx soulcaster-backup status --env-file .env` says why; right after a deployment it is not ok before the guard has run.',
  );
}

async function cronSecret({ door, secrets, url }: Outside): Promise<Observation> {
  if (secrets.cron === '') return skip('not tried: CRON_SECRET is not set here');
  const knock = await door().ask('/api/cron/check', { bearer: secrets.cron });
  const fault = hostFault(knock, url, '/api/cron/check');
  if (knock.kind === 'failed') return fault ?? skip('not tried');
  if (knock.status === 200) return ok('the crons let in whoever has the CRON_SECRET that is set here');
  if (knock.status === 404) return skip('not tried: the deployment is of a version without a way that starts no run');
  if (fault !== null) return fault;
  return fail(
    `the deployment does not take the CRON_SECRET that is set here (HTTP ${knock.status})`,
    'Set the same CRON_SECRET here and in the Vercel project, and deploy again: Vercel sends the one of the project.',
  );
}

const variablesSchema = z.object({ variables: z.array(z.string()) });

/** Whether the functions have what is set here for them: without a recipient, say, they would save in clear text. */
async function variables({ door, secrets, variables: here }: Outside): Promise<Observation> {
  if (secrets.cron === '') return skip('not tried: CRON_SECRET is not set here');
  const knock = await door().ask('/api/cron/check', { bearer: secrets.cron });
  const there = knock.kind === 'answer' ? variablesSchema.safeParse(knock.json).data?.variables : undefined;
  if (there === undefined) return skip('not tried: the deployment is of a version that does not tell');
  const lacking = here.filter((name) => !there.includes(name));
  if (lacking.length === 0)
    return ok(`all variables that are set here for the functions are set there (${here.length})`);
  const cost = costOfLacking(lacking);
  const words = `set here and not there: ${lacking.join(', ')}${cost === null ? '' : `, so that ${cost}`}`;
  const hint = 'Set them in the Vercel project and deploy again: `npx soulcaster-backup deploy --env-file .env`.';
  return cost === null ? warn(words, hint) : fail(words, hint);
}

/** Of no form that starts anything: what the signature lets in is refused for its body. */
const NO_RESTORE = '[]';

async function webhookSecret({ door, sign, url }: Outside): Promise<Observation> {
  const headers = sign(NO_RESTORE);
  if (headers === null) return skip('not tried: RESTORE_WEBHOOK_SECRET is not set here');
  const path = '/api/webhooks/restore';
  const knock = await door().ask(path, { body: NO_RESTORE, headers });
  const fault = hostFault(knock, url, path);
  if (fault !== null) return fault;
  const { problem, status } = knock as Answer;
  if (problem?.code === 'invalid')
    return ok('the deployment takes what is signed with the RESTORE_WEBHOOK_SECRET that is set here');
  if (problem?.code === 'signature-wrong') {
    return fail(
      'the deployment does not take the RESTORE_WEBHOOK_SECRET that is set here',
      'Set the same RESTORE_WEBHOOK_SECRET here and in the Vercel project, and deploy again.',
    );
  }
  const why = problem === null ? '' : ` (${problem.code}): ${problem.detail}`;
  return fail(
    `${url}${path} answers ${status} to a signed request${why}`,
    'Correct its variables in the Vercel project and deploy again; see the log of the function there.',
  );
}

const deploymentSchema = z.object({
  deployment: z.object({
    label: z.string().nullable(),
    database: z.string().nullable(),
    store: z.string().nullable(),
    version: z.string(),
  }),
});

/** Whether it is the deployment that the environment here describes. */
async function configuration({ door, expected, secrets, url }: Outside): Promise<Observation> {
  if (secrets.admin === '') return skip('not tried: ADMIN_TOKEN is not set here');
  const knock = await door().ask('/api/status', { bearer: secrets.admin });
  const fault = hostFault(knock, url, '/api/status');
  if (fault !== null) return fault;
  const { json, problem, status } = knock as Answer;
  if (status === 401) {
    return fail(
      'the deployment does not take the ADMIN_TOKEN that is set here',
      'Set the same ADMIN_TOKEN here and in the Vercel project, and deploy again.',
    );
  }
  const seen = deploymentSchema.safeParse(json).data?.deployment;
  if (seen === undefined) {
    return fail(
      `the deployment cannot tell its status (HTTP ${status}${problem === null ? '' : `, ${problem.code}: ${problem.detail}`})`,
      'See the log of /api/status in the Vercel project, and correct its variables there.',
    );
  }
  const others = (['database', 'store', 'label'] as const).filter((name) => seen[name] !== expected[name]);
  if (others.length > 0) {
    const words = others.map(
      (name) => `${name} is ${seen[name] ?? 'not set'} there and ${expected[name] ?? 'not set'} here`,
    );
    return fail(
      `it is another deployment than the one that is configured here: ${words.join('; ')}`,
      'Take the env file of that deployment, or set its variables again: `npx soulcaster-backup deploy --env-file .env`.',
    );
  }
  if (seen.version !== expected.version) {
    return warn(
      `it runs version ${seen.version}; here it is ${expected.version}`,
      'Deploy again, so that both read and write the same: `npx soulcaster-backup deploy --env-file .env`.',
    );
  }
  return ok(`database, store, label and version (${seen.version}) are those that are configured here`);
}

function skip(detail: string): Observation {
  return { status: 'skipped', detail, hint: null };
}
