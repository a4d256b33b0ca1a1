import { z } from 'zod';
import type { DeploymentClient, EndpointResponse } from '../../ports/hosting.js';
import { groupOf, fail, ok, skipped, warn, type CheckGroup, type Observation } from '../doctor.js';
import { costOfLacking } from './promises.js';
import { hostFault, evaluateRefusal } from './way-back.js';

/** The deployment that the configuration here describes; null for values that are not set here. */
interface Expected {
  readonly label: string | null;
  readonly database: string | null;
  readonly store: string | null;
  readonly version: string;
}

export interface ProbedDeployment {
  /** Scheme and host, without a slash at the end. */
  readonly url: string;
  readonly client: () => DeploymentClient;
  readonly expected: Expected;
  /** As set here; empty if not set. */
  readonly secrets: { readonly admin: string; readonly cron: string };
  /** Names of variables for the functions that are set here. */
  readonly variables: readonly string[];
  /** Headers of a webhook with this body, signed with RESTORE_WEBHOOK_SECRET; null if the secret is not set. May throw `config`. */
  readonly sign: (body: string) => Readonly<Record<string, string>> | null;
  readonly now: () => number;
}

type Answer = Extract<EndpointResponse, { kind: 'answer' }>;

/** Checks that the address answers: all other checks depend on that. */
export function reachChecks({ client, url }: ProbedDeployment): CheckGroup {
  const run = async (): Promise<Observation> => {
    const response = await client().request('/api/tasks', { body: '{}' });
    return evaluateRefusal(response, url, '/api/tasks', 'unsigned requests');
  };
  return groupOf('tasks', run);
}

/**
 * Checks a deployment from outside, without starting a run: what it refuses, what it shows to whom, and whether its
 * configuration matches the environment here.
 */
export function deploymentChecks(target: ProbedDeployment): CheckGroup[] {
  return [
    groupOf('page', () => checkPage(target)),
    groupOf('status', () => checkAnonymousStatus(target)),
    ...(['/api/cron/backup', '/api/cron/guard'] as const).map((path): CheckGroup => {
      const name = path.replace('/api/cron/', 'cron-');
      return groupOf(name, () => checkRefusal(target, path, 'callers without CRON_SECRET'));
    }),
    [
      { name: 'cron-secret', run: () => checkCronSecret(target) },
      { name: 'variables', run: () => checkVariables(target) },
    ],
    groupOf('webhook', () => checkRefusal(target, '/api/webhooks/restore', 'unsigned requests', { body: '{}' })),
    groupOf('webhook-secret', () => checkWebhookSecret(target)),
    groupOf('operators', () => checkRefusal(target, '/api/snapshots', 'callers without ADMIN_TOKEN')),
    groupOf('configuration', () => checkConfiguration(target)),
  ];
}

async function checkRefusal(
  { client, url }: ProbedDeployment,
  path: string,
  whom: string,
  request: { readonly body?: string } = {},
): Promise<Observation> {
  const response = await client().request(path, request);
  const observed = evaluateRefusal(response, url, path, whom);
  const problem = response.kind === 'answer' ? response.problem : null;
  // Without its secret an endpoint refuses authorized callers, too.
  if (observed.status !== 'ok' || problem === null || !/ is not (set|usable) here/.test(problem.detail))
    return observed;
  const [variable = ''] = problem.detail.split(' ');
  const isOptional = variable === 'RESTORE_WEBHOOK_SECRET';
  const words = `the deployment refuses all callers at ${path}: ${problem.detail}`;
  const hint = `Set ${variable} in the Vercel project (\`npx soulcaster-backup deploy --env-file .env\` does) and deploy again.`;
  return isOptional ? warn(words, hint) : fail(words, hint);
}

const HEADERS: readonly [name: string, wanted: RegExp][] = [
  ['content-security-policy', /default-src 'none'/],
  ['x-content-type-options', /nosniff/],
  ['x-frame-options', /deny/i],
  ['referrer-policy', /no-referrer/],
];

async function checkPage({ client, url }: ProbedDeployment): Promise<Observation> {
  const response = await client().request('/');
  const fault = hostFault(response, url, '/');
  if (fault !== null) return fault;
  const { headers, isPage, status } = response as Answer;
  if (status !== 200 || !isPage) {
    return fail(
      `${url} does not serve the operations page (HTTP ${status})`,
      'Deploy again with the settings of vercel.json: it builds the page into public/.',
    );
  }
  const missing = HEADERS.filter(([name, wanted]) => !wanted.test(headers[name] ?? '')).map(([name]) => name);
  if (missing.length === 0) return ok('the operations page is served with its security headers');
  return fail(
    `the operations page lacks headers: ${missing.join(', ')}`,
    'Deploy again with the headers of vercel.json; check whether a proxy between here and Vercel removes them.',
  );
}

const STALE_MS = 10 * 60_000;
const statusSchema = z.object({ state: z.enum(['ok', 'degraded', 'unknown']), at: z.string().nullable().optional() });

async function checkAnonymousStatus({ client, now, url }: ProbedDeployment): Promise<Observation> {
  const response = await client().request('/api/status');
  const fault = hostFault(response, url, '/api/status');
  if (fault !== null) return fault;
  const { json, problem, status } = response as Answer;
  const observed = statusSchema.safeParse(json).data;
  if (observed === undefined) {
    return fail(
      `${url}/api/status answers ${status}${problem === null ? '' : ` (${problem.code}): ${problem.detail}`}`,
      'See the log of /api/status in the Vercel project.',
    );
  }
  const figures = Object.keys(json as object).filter((field) => !['state', 'at', 'label'].includes(field));
  if (figures.length > 0) {
    return fail(
      `${url}/api/status shows figures to anybody: ${figures.slice(0, 5).join(', ')}`,
      'Deploy the current version: `npx soulcaster-backup deploy --env-file .env`.',
    );
  }
  // The state is computed again after at most three minutes.
  if (observed.state === 'ok' && !(Math.abs(now() - Date.parse(observed.at ?? '')) < STALE_MS)) {
    return fail(
      `${url}/api/status says ok, as of ${observed.at ?? 'no time'}: the answer is old, or the clocks differ`,
      "Check whether a CDN or a proxy between here and the deployment caches answers, and this machine's clock.",
    );
  }
  if (observed.state === 'ok') return ok('the deployment reports ok');
  return warn(
    `the deployment reports ${observed.state}`,
    '`npx soulcaster-backup status --env-file .env` shows why; after a first deployment the state is not ok until the guard has run.',
  );
}

async function checkCronSecret({ client, secrets, url }: ProbedDeployment): Promise<Observation> {
  if (secrets.cron === '') return skipped('not tried: CRON_SECRET is not set here');
  const response = await client().request('/api/cron/check', { bearer: secrets.cron });
  const fault = hostFault(response, url, '/api/cron/check');
  if (response.kind === 'failed') return fault ?? skipped('not tried');
  if (response.status === 200) return ok('the crons accept the CRON_SECRET that is set here');
  if (response.status === 404)
    return skipped('not tried: the version of the deployment has no endpoint that starts no run');
  if (fault !== null) return fault;
  return fail(
    `the deployment does not accept the CRON_SECRET that is set here (HTTP ${response.status})`,
    "Set the same CRON_SECRET here and in the Vercel project, and deploy again: Vercel sends the project's secret.",
  );
}

const variablesSchema = z.object({ variables: z.array(z.string()) });

/**
 * Checks that the functions have the variables set here: without a recipient, for example, they would save in clear text. And
 * that they have no others: a variable whose line was removed here is still used there.
 */
async function checkVariables({ client, secrets, variables: here }: ProbedDeployment): Promise<Observation> {
  if (secrets.cron === '') return skipped('not tried: CRON_SECRET is not set here');
  const response = await client().request('/api/cron/check', { bearer: secrets.cron });
  const deployed = response.kind === 'answer' ? variablesSchema.safeParse(response.json).data?.variables : undefined;
  if (deployed === undefined) return skipped('not tried: the version of the deployment does not report its variables');
  const lacking = here.filter((name) => !deployed.includes(name));
  const onlyThere = deployed.filter((name) => !here.includes(name));
  if (lacking.length === 0 && onlyThere.length === 0)
    return ok(`all variables set here for the functions are set in the deployment (${here.length}), and no others`);
  const cost = costOfLacking(lacking);
  const encrypts = onlyThere.includes(RECIPIENTS);
  const [words, hints]: [string[], string[]] = [[], []];
  if (lacking.length > 0) {
    const without = cost === null ? '' : `; without them, ${cost}`;
    words.push(`set here, but not in the deployment: ${lacking.join(', ')}${without}`);
    hints.push('Set them in the Vercel project and deploy again: `npx soulcaster-backup deploy --env-file .env`.');
  }
  if (onlyThere.length > 0) {
    const encrypting = encrypts ? '; the functions encrypt snapshots, although no recipients are set here' : '';
    words.push(`set in the deployment, but not here: ${onlyThere.join(', ')}${encrypting}`);
    hints.push(
      `The functions use what only the deployment has: set it here as well, or remove it there: \`${removeCommand(onlyThere)}\`.`,
    );
  }
  const observe = cost === null && !encrypts ? warn : fail;
  return observe(words.join('; '), hints.join(' '));
}

/** The command that removes variables from the functions. */
export function removeCommand(names: readonly string[]): string {
  return `npx soulcaster-backup deploy --remove ${names.join(' --remove ')} --env-file .env`;
}

const RECIPIENTS = 'BACKUP_AGE_RECIPIENTS';

/** A body that starts nothing: with a valid signature it is refused as invalid. */
const NO_RESTORE = '[]';

async function checkWebhookSecret({ client, sign, url }: ProbedDeployment): Promise<Observation> {
  const headers = sign(NO_RESTORE);
  if (headers === null) return skipped('not tried: RESTORE_WEBHOOK_SECRET is not set here');
  const path = '/api/webhooks/restore';
  const response = await client().request(path, { body: NO_RESTORE, headers });
  const fault = hostFault(response, url, path);
  if (fault !== null) return fault;
  const { problem, status } = response as Answer;
  if (problem?.code === 'invalid')
    return ok('the deployment accepts signatures with the RESTORE_WEBHOOK_SECRET that is set here');
  if (problem?.code === 'signature-wrong') {
    return fail(
      'the deployment does not accept the RESTORE_WEBHOOK_SECRET that is set here',
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

/** Checks that it is the deployment that the environment here describes. */
async function checkConfiguration({ client, expected, secrets, url }: ProbedDeployment): Promise<Observation> {
  if (secrets.admin === '') return skipped('not tried: ADMIN_TOKEN is not set here');
  const response = await client().request('/api/status', { bearer: secrets.admin });
  const fault = hostFault(response, url, '/api/status');
  if (fault !== null) return fault;
  const { json, problem, status } = response as Answer;
  if (status === 401) {
    return fail(
      'the deployment does not accept the ADMIN_TOKEN that is set here',
      'Set the same ADMIN_TOKEN here and in the Vercel project, and deploy again.',
    );
  }
  const observed = deploymentSchema.safeParse(json).data?.deployment;
  if (observed === undefined) {
    return fail(
      `the deployment cannot report its status (HTTP ${status}${problem === null ? '' : `, ${problem.code}: ${problem.detail}`})`,
      'See the log of /api/status in the Vercel project, and correct its variables there.',
    );
  }
  const others = (['database', 'store', 'label'] as const).filter((name) => observed[name] !== expected[name]);
  if (others.length > 0) {
    const words = others.map(
      (name) => `${name} is ${observed[name] ?? 'not set'} there and ${expected[name] ?? 'not set'} here`,
    );
    return fail(
      `the deployment is not the one that is configured here: ${words.join('; ')}`,
      'Use the env file of that deployment, or set its variables again: `npx soulcaster-backup deploy --env-file .env`.',
    );
  }
  if (observed.version !== expected.version) {
    return warn(
      `the deployment runs version ${observed.version}; the version here is ${expected.version}`,
      'Deploy again, so that both read and write the same: `npx soulcaster-backup deploy --env-file .env`.',
    );
  }
  return ok(`database, store, label and version (${observed.version}) match the configuration here`);
}
