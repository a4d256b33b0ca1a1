import { AppError } from '../errors.js';
import { ok, warn, type Observation } from '../health/doctor.js';
import type { ProviderDatabase } from '../ports/upstash-account.js';
import type { Choice, SetupPorts, Values } from './model.js';
import { CALLER_SECRETS, generateSecret } from './secrets.js';

/** Values that were fetched or generated, and what to report about them; null for nothing. */
export interface FillResult {
  readonly values: Values;
  readonly observation: Observation | null;
  readonly identity?: { readonly secret: string; readonly file: string };
}

type Fill = (values: Values, ports: SetupPorts) => Promise<FillResult>;

/** Fetches or generates the missing values of a service, by its id. Existing values stay. */
export const FILLS: Readonly<Record<string, Fill>> = {
  account: fillAccount,
  hosting: fillHosting,
  queue: fillQueue,
  callers(values) {
    const missing = CALLER_SECRETS.filter((name) => !(name in values));
    const made = Object.fromEntries(missing.map((name) => [name, generateSecret(name)]));
    return Promise.resolve({ values: { ...values, ...made }, observation: null });
  },
  async encryption(values, { sources }) {
    if ('BACKUP_AGE_RECIPIENTS' in values) return { values, observation: null };
    const { file, fresh, recipients } = await sources.ageIdentity();
    return {
      values: { ...values, BACKUP_AGE_RECIPIENTS: recipients.join(','), BACKUP_AGE_IDENTITY_FILE: file },
      observation: null,
      ...(fresh === null ? {} : { identity: { secret: fresh, file } }),
    };
  },
  signing(values, { sources }) {
    const isThere = 'BACKUP_SIGNING_KEY' in values || 'BACKUP_SIGNING_PUBLIC_KEY' in values;
    const made = isThere ? {} : { BACKUP_SIGNING_KEY: sources.generateSigningKey() };
    return Promise.resolve({ values: { ...values, ...made }, observation: null });
  },
};

/** The URL of a host that a provider names without a scheme: http on this machine, which has no certificate. */
function urlOfHost(host: string): string {
  return /^(127\.|localhost(:|$))/.test(host) ? `http://${host}` : `https://${host}`;
}

async function fillAccount(values: Values, ports: SetupPorts): Promise<FillResult> {
  const account = ports.sources.account(values);
  const databases = await account.databases();
  const database = await findDatabase(databases, values, ports);
  const { host, id, name, region } = database;
  const url = values['UPSTASH_REDIS_REST_URL'] ?? urlOfHost(host);
  const token = values['UPSTASH_REDIS_REST_TOKEN'] ?? (await account.restToken(id));
  return {
    values: { ...values, UPSTASH_REDIS_ID: id, UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token },
    observation: ok(`database ${name} in ${region}`),
  };
}

/** The database to protect: by id, by URL, the only one, or the one the operator selects. */
async function findDatabase(
  databases: readonly ProviderDatabase[],
  values: Values,
  { prompter }: SetupPorts,
): Promise<ProviderDatabase> {
  const { UPSTASH_REDIS_ID: id, UPSTASH_REDIS_REST_URL: url } = values;
  const known = databases.find((one) =>
    id === undefined ? url !== undefined && new URL(url).host === one.host : one.id === id,
  );
  if (known !== undefined) return known;
  const hint = databases.map(({ id: each, name }) => `${each} (${name})`).join(', ') || 'the account has none';
  if (id !== undefined || url !== undefined) {
    throw new AppError('config', `The account has no database ${id ?? 'of UPSTASH_REDIS_REST_URL'}`, {
      hint: `Set UPSTASH_REDIS_ID to one of: ${hint}.`,
    });
  }
  const [only] = databases;
  if (only !== undefined && databases.length === 1) return only;
  const chosen =
    prompter === null || only === undefined
      ? undefined
      : await prompter.select(
          'Which database should be protected?',
          databases.map(({ id: value, name, region }) => ({ value, label: name, hint: region })),
        );
  const found = databases.find((one) => one.id === chosen);
  if (found !== undefined) return found;
  throw new AppError('config', `The account has ${databases.length} databases, and UPSTASH_REDIS_ID is missing`, {
    hint: `Set UPSTASH_REDIS_ID to the database to protect: ${hint}.`,
  });
}

/** The Vercel team and project of this program, and the URL of production. */
async function fillHosting(given: Values, ports: SetupPorts): Promise<FillResult> {
  const values = await withTeam(given, ports);
  const projects = ports.sources.projects(values);
  const list = await projects.list();
  const wanted =
    values['SOULCASTER_BACKUP_PROJECT'] ?? (await chooseFromList(ports, 'Which project runs this program?', list));
  const project = list.find(({ id, name }) => id === wanted || name === wanted);
  if (project === undefined) {
    const names = list.map(({ name }) => name).join(', ') || 'there are none';
    throw new AppError('config', `There is no Vercel project ${wanted ?? 'chosen as SOULCASTER_BACKUP_PROJECT'}`, {
      hint: `Create it with the Deploy button of the README, or set SOULCASTER_BACKUP_PROJECT (and VERCEL_TEAM_ID) to one of: ${names}.`,
    });
  }
  const addresses = (await projects.domains(project.id)).map(urlOfHost);
  const url = values['PUBLIC_URL'] ?? addresses[0];
  if (url === undefined) {
    throw new AppError('config', `The Vercel project ${project.name} has no production domain`, {
      hint: 'Add one on Vercel (Settings, Domains), or set PUBLIC_URL.',
    });
  }
  return {
    values: { ...values, SOULCASTER_BACKUP_PROJECT: project.name, PUBLIC_URL: url },
    observation: addresses.includes(url.replace(/\/$/, ''))
      ? ok(`project ${project.name}, production at ${url}`)
      : warn(
          `PUBLIC_URL ${url} is not a production domain of the project ${project.name}`,
          `Set PUBLIC_URL to one of: ${addresses.join(', ') || 'it has none'}.`,
        ),
  };
}

/** The team is only asked for: a project of the account itself needs none, nor does a token of one team. */
async function withTeam(values: Values, { prompter, sources }: SetupPorts): Promise<Values> {
  if (prompter === null || 'VERCEL_TEAM_ID' in values || 'SOULCASTER_BACKUP_PROJECT' in values) return values;
  const teams = await sources.projects(values).teams();
  if (teams.length === 0) return values;
  const own = { value: '', label: 'none: the project belongs to my own account' };
  const team = await prompter.select('Which team owns the project?', [...teams.map(toChoice), own]);
  return team === '' ? values : { ...values, VERCEL_TEAM_ID: team };
}

const toChoice = ({ id, name }: { readonly id: string; readonly name: string }): Choice => ({ value: id, label: name });

async function chooseFromList(
  { prompter }: SetupPorts,
  words: string,
  list: readonly { readonly id: string; readonly name: string }[],
): Promise<string | undefined> {
  if (prompter === null || list.length === 0) return undefined;
  return prompter.select(words, list.map(toChoice));
}

/** Always fetches the queue's signing keys: they may have been rotated. */
async function fillQueue(values: Values, { sources }: SetupPorts): Promise<FillResult> {
  const { current, next } = await sources.queueSigningKeys(values);
  return {
    values: { ...values, QSTASH_CURRENT_SIGNING_KEY: current, QSTASH_NEXT_SIGNING_KEY: next },
    observation: null,
  };
}
