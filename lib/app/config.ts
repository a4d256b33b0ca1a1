import { z } from 'zod';
import { EMBEDDER_SHAPE, findEmbedderProblem } from '../services/embedders.js';
import { STORE_SHAPE, findStoreProblems, storeUrl, STORE_NAMES } from '../stores/registry.js';
import {
  accessSecret,
  baseUrl,
  fullUrl,
  keyText,
  list,
  number,
  oneOf,
  originUrl,
  secret,
  secretList,
} from '../variable-forms.js';
import { AppError } from '../errors.js';

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The only function that reads the environment of the process. */
export function environment(): Environment {
  return { ...process.env };
}

/** Whether a variable is set. An empty variable counts as unset, as hosts' dashboards leave them. */
export function isSet(env: Environment, name: string): boolean {
  return (env[name] ?? '') !== '';
}

/** Keeps the AWS SDK from writing seven lines about Node 20 at every start; `doctor` reports that in one line. */
export function suppressAwsSdkNotices(): void {
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
}

const count = (least: number, most: number) => number({ least, most });
const seconds = (most: number, fallback: number) => number({ least: 0.001, most, decimals: true }).default(fallback);
const repositories = list.refine((names) => names.every((name) => /^[\w.-]+\/[\w.-]+$/.test(name)), {
  error: 'must be repositories as owner/name, separated by commas',
});

const slots = (fallback: number) => number({ least: 0, most: 100_000 }).default(fallback);
const days = (fallback: number, least = 1) => number({ least, most: 36_500, decimals: true }).default(fallback);

/** How long stored objects are kept. */
const retentionSection = z
  .object({
    RETENTION_KEEP_LAST: slots(7),
    RETENTION_KEEP_WITHIN_DAYS: days(2, 0),
    RETENTION_KEEP_DAILY: slots(14),
    RETENTION_KEEP_WEEKLY: slots(8),
    RETENTION_KEEP_MONTHLY: slots(12),
    RETENTION_ASIDE_DAYS: days(14),
    RETENTION_RUNS_DAYS: days(30),
  })
  .superRefine((value, context) => {
    const { RETENTION_KEEP_LAST: last, RETENTION_KEEP_WITHIN_DAYS: within } = value;
    const { RETENTION_KEEP_DAILY: daily, RETENTION_KEEP_WEEKLY: weekly, RETENTION_KEEP_MONTHLY: monthly } = value;
    // The fields of an invalid value are checked too; the sum of such values says nothing.
    if (last + within + daily + weekly + monthly !== 0) return;
    const message = 'and all other RETENTION_KEEP_ variables are 0: no snapshot would be kept';
    context.addIssue({ code: 'custom', path: ['RETENTION_KEEP_LAST'], message });
  });

const SHAPE: Readonly<Record<string, z.ZodType>> = STORE_SHAPE;

/** The second store. All its variables are separate, so that it does not depend on the first store's region. */
const replicaSection = z
  .object({
    BACKUP_STORE: z.string().optional(),
    S3_ENDPOINT: z.string().optional(),
    BACKUP_REPLICA_STORE: storeUrl,
    ...Object.fromEntries(STORE_NAMES.map((name) => [`REPLICA_${name}`, SHAPE[name] ?? z.undefined()])),
  })
  .superRefine((value: Readonly<Record<string, unknown>>, context) => {
    const addIssue = (name: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [name], message });
    const sameEndpoint =
      withoutTrailingSlash(value['S3_ENDPOINT']) === withoutTrailingSlash(value['REPLICA_S3_ENDPOINT']);
    if (
      sameEndpoint &&
      withoutTrailingSlash(value['BACKUP_STORE']) === withoutTrailingSlash(value['BACKUP_REPLICA_STORE'])
    ) {
      addIssue('BACKUP_REPLICA_STORE', 'is the same place as BACKUP_STORE');
    }
    for (const [name, message] of findStoreProblems(String(value['BACKUP_REPLICA_STORE']), value, 'REPLICA_')) {
      addIssue(name, message);
    }
  });

function withoutTrailingSlash(text: unknown): string | null {
  return typeof text === 'string' ? text.replace(/\/+$/, '') : null;
}

/** Every variable, by the section that needs it. Secrets have no default. */
const SECTIONS = {
  redis: z.object({ UPSTASH_REDIS_REST_URL: baseUrl, UPSTASH_REDIS_REST_TOKEN: secret }),
  store: z.object({ BACKUP_STORE: storeUrl, ...STORE_SHAPE }).superRefine((value, context) => {
    for (const [name, message] of findStoreProblems(value.BACKUP_STORE, value, ''))
      context.addIssue({ code: 'custom', path: [name], message });
  }),
  database: z.object({
    BACKUP_LABEL: z
      .string()
      .trim()
      .max(64, 'must have 64 characters at most')
      .regex(/^[\x20-\x7e]*$/, 'must be plain printable text')
      .optional(),
  }),
  queue: z.object({
    QSTASH_URL: baseUrl.optional(),
    QSTASH_TOKEN: secret,
    QSTASH_CURRENT_SIGNING_KEY: secret,
    QSTASH_NEXT_SIGNING_KEY: secret,
    PUBLIC_URL: originUrl,
  }),
  keys: z.object({
    BACKUP_AGE_RECIPIENTS: list,
    BACKUP_AGE_IDENTITY: secret.optional(),
    BACKUP_SIGNING_KEY: keyText.optional(),
    BACKUP_SIGNING_PUBLIC_KEY: keyText.optional(),
  }),
  /** Encrypts control state if there is no signing key. Not validated here: the section `redis` does that. */
  control: z.object({ UPSTASH_REDIS_REST_TOKEN: z.string().optional() }),
  cron: z.object({ CRON_SECRET: accessSecret(16) }),
  admin: z.object({ ADMIN_TOKEN: accessSecret(16) }),
  webhook: z.object({ RESTORE_WEBHOOK_SECRET: secretList }),
  vector: z.object({
    UPSTASH_VECTOR_REST_URL: baseUrl,
    UPSTASH_VECTOR_REST_TOKEN: secret,
    VECTOR_NAMESPACE_SUFFIX: z
      .string()
      .regex(/^[\w.:@~+-]{1,64}$/, { error: 'must be 1 to 64 letters, digits or any of . : @ ~ + _ -' })
      .optional(),
    VECTOR_UPDATES_PER_DAY: count(0, 1_000_000_000).optional(),
  }),
  vectorNext: z.object({ UPSTASH_VECTOR_NEXT_REST_URL: baseUrl, UPSTASH_VECTOR_NEXT_REST_TOKEN: secret }),
  account: z.object({
    UPSTASH_EMAIL: secret,
    UPSTASH_API_KEY: secret,
    UPSTASH_API_URL: baseUrl.default('https://api.upstash.com'),
    UPSTASH_REDIS_ID: secret,
  }),
  providers: z.object({ PROVIDER_STATUS_URLS: list }),
  embedder: z
    .object({
      ...EMBEDDER_SHAPE,
      EMBEDDING_MODEL: secret.default('gemini-embedding-001'),
      EMBEDDING_DIMENSIONS: count(128, 3072).default(768),
      EMBEDDING_TEXTS_PER_MINUTE: count(100, 1_000_000).optional(),
      EMBEDDING_TOKENS_PER_MINUTE: count(1_000, 1_000_000_000).optional(),
      EMBEDDING_TEXTS_PER_DAY: count(0, 1_000_000_000).optional(),
      CLUSTERING_TRUNCATE_BODY_CHARS: count(0, 1_000_000).default(1500),
    })
    .superRefine((value, context) => {
      const problem = findEmbedderProblem(value);
      if (problem !== null) context.addIssue({ code: 'custom', path: [problem[0]], message: problem[1] });
    }),
  retention: retentionSection,
  replica: replicaSection,
  alerts: z.object({
    ALERT_WEBHOOK_URL: fullUrl.optional(),
    ALERT_FORMAT: oneOf(['generic', 'slack', 'discord', 'teams', 'google-chat']).optional(),
  }),
  heartbeat: z.object({ HEARTBEAT_URL: fullUrl.optional() }),
  backend: z.object({ BACKEND_URL: baseUrl.optional() }),
  github: z.object({
    GITHUB_API_URL: baseUrl.default('https://api.github.com'),
    GITHUB_TOKEN: secret.optional(),
    GITHUB_CHECK_REPOS: repositories,
  }),
  githubApp: z.object({ GITHUB_ID: secret, GITHUB_SECRET: secret }),
  hosting: z.object({
    VERCEL_API_TOKEN: secret,
    VERCEL_TEAM_ID: secret.optional(),
    VERCEL_API_URL: baseUrl.default('https://api.vercel.com'),
  }),
  backendProject: z.object({ SOULCASTER_BACKEND_PROJECT: secret }),
  dashboardProject: z.object({ SOULCASTER_DASHBOARD_PROJECT: secret }),
  backupProject: z.object({ SOULCASTER_BACKUP_PROJECT: secret.optional() }),
  limits: z.object({
    FUNCTION_LIMIT_SECONDS: seconds(86_400, 300),
    RUN_LEASE_SECONDS: seconds(86_400, 60),
    BACKUP_REQUESTS_IN_FLIGHT: count(1, 64).default(4),
    BACKUP_COMMANDS_PER_SECOND: count(0, 1_000_000).default(5_000),
    RESTORE_TASKS_AT_A_TIME: count(1, 64).default(8),
    REINDEX_BATCHES_AT_A_TIME: count(1, 64).default(10),
    BACKUP_PART_MIB: number({ least: 0.01, most: 256, decimals: true }).default(8),
    BACKUP_SKIP_TYPES: list,
  }),
} as const;

export type Section = keyof typeof SECTIONS;
export type Config<S extends Section> = { readonly [K in S]: z.output<(typeof SECTIONS)[K]> };

const SET_VARIABLES_HINT =
  'Set these variables in the environment or in the file given with --env-file; .env.example explains each.';

/** Variables that no section reads. */
const OTHER_NAMES = ['BACKUP_AGE_IDENTITY_FILE', 'DRILL_REDIS_REST_URL', 'DRILL_REDIS_REST_TOKEN', 'DEBUG'];

/** Names of all variables that this program reads, except those of restore targets, which contain the target's name. */
export function knownVariables(): ReadonlySet<string> {
  return new Set([...Object.values(SECTIONS).flatMap((section) => Object.keys(section.shape)), ...OTHER_NAMES]);
}

/** What is wrong with the variables of a section, or null. Missing required variables count as wrong. */
export function problemOfSection(env: Environment, section: Section): AppError | null {
  try {
    loadConfig(env, [section]);
    return null;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

/** What is wrong with a variable's value, as text to follow its name; null if it is valid. */
export function problemOfValue(name: string, value: string): string | null {
  const schema = /_REST_URL$/.test(name) ? baseUrl : schemaOf(name);
  const parsed = (schema ?? secret).safeParse(value);
  return parsed.success ? null : (parsed.error.issues[0]?.message ?? 'is not well-formed');
}

function schemaOf(name: string): z.ZodType | undefined {
  for (const { shape } of Object.values(SECTIONS)) {
    if (Object.hasOwn(shape, name)) return (shape as Readonly<Record<string, z.ZodType>>)[name];
  }
  return undefined;
}

/**
 * Reads the variables of the named sections. Throws one `config` error that names every missing or malformed variable, never
 * a value. An empty variable counts as unset.
 */
export function loadConfig<S extends Section>(env: Environment, sections: readonly S[]): Config<S> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const problems: string[] = [];
  const loaded: Partial<Record<Section, unknown>> = {};
  for (const section of sections) {
    const parsed = SECTIONS[section].safeParse(given);
    if (parsed.success) loaded[section] = parsed.data;
    else problems.push(...parsed.error.issues.map((issue) => describeIssue(issue, given)));
  }
  if (problems.length === 0) return loaded as Config<S>;
  throw new AppError('config', `The configuration is not complete: ${[...new Set(problems)].join('; ')}`, {
    hint: SET_VARIABLES_HINT,
  });
}

/** Whether a second store is intended: its URL alone decides, so that a forgotten variable is reported. */
export function wantsReplica(env: Environment): boolean {
  return isSet(env, 'BACKUP_REPLICA_STORE');
}

const TARGET = /^RESTORE_TARGET_([A-Z0-9_]+)_REST_(?:URL|TOKEN)$/;
/** Whether this is a variable of a restore target, whose name it contains. */
export function isTargetVariable(name: string): boolean {
  return TARGET.test(name);
}

const targetSchema = z.object({ url: baseUrl, token: secret });

/** A restore target, by its name in RESTORE_TARGET_<NAME>_REST_URL and _TOKEN. */
export function loadTarget(env: Environment, name: string): z.output<typeof targetSchema> {
  const base = targetVariablePrefix(name);
  const given = { url: env[`${base}_URL`], token: env[`${base}_TOKEN`] };
  const parsed = targetSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  if (wantsTarget(env, name)) {
    const problems = parsed.error.issues.map(({ path: [part], message }) => {
      const variable = part === 'url' ? `${base}_URL` : `${base}_TOKEN`;
      return `${variable} ${isSet(env, variable) ? message : 'is missing'}`;
    });
    throw new AppError('config', `The configuration is not complete: ${[...new Set(problems)].join('; ')}`, {
      hint: SET_VARIABLES_HINT,
    });
  }
  const known = targetNames(env);
  throw new AppError('usage', `There is no target ${JSON.stringify(name.slice(0, 40))}`, {
    hint: `Set ${base}_URL and ${base}_TOKEN; ${known.length === 0 ? 'no target is configured' : `configured targets: ${known.join(', ')}`}.`,
  });
}

/** Names of the restore targets of RESTORE_TARGET_ variables, as --target takes them. */
export function targetNames(env: Environment): string[] {
  const names = Object.keys(env).flatMap((variable) =>
    isSet(env, variable) ? (TARGET.exec(variable)?.[1]?.toLowerCase() ?? []) : [],
  );
  return [...new Set(names)];
}

/** Whether any variable of a restore target of this name is set, valid or not. */
export function wantsTarget(env: Environment, name: string): boolean {
  return ['URL', 'TOKEN'].some((part) => isSet(env, `${targetVariablePrefix(name)}_${part}`));
}

function targetVariablePrefix(name: string): string {
  return name === 'drill' ? 'DRILL_REDIS_REST' : `RESTORE_TARGET_${name.toUpperCase().replaceAll('-', '_')}_REST`;
}

/** Whether a queue is intended: its token alone decides, so that a forgotten variable is reported. */
export function wantsQueue(env: Environment): boolean {
  return isSet(env, 'QSTASH_TOKEN');
}

function describeIssue(issue: z.core.$ZodIssue, given: Environment): string {
  const name = String(issue.path[0] ?? '');
  if (!(name in given)) return `${name} is missing`;
  return `${name} ${issue.message}`;
}
