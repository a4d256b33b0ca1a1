import { parseEnv } from 'node:util';
import { z } from 'zod';
import { replicaSection } from './config/replica.js';
import { retentionSection } from './config/retention.js';
import { AppError } from './errors.js';

/** Variables as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The one place where the process's environment is read. */
export function environment(): Environment {
  return { ...process.env };
}

/** The environment with the variables of an env file over it. `text` is the file's content. */
export function withEnvFile(env: Environment, text: string): Environment {
  return { ...env, ...parseEnv(text) };
}

const url = z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' });
const secret = z.string().min(1);
const seconds = (fallback: number) => z.coerce.number().positive().default(fallback);

const list = z
  .string()
  .default('')
  .transform((text) => text.split(/[\s,]+/).filter((item) => item !== ''));

const storeUrl = z
  .string()
  .regex(
    /^(s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/.*)?|file:\/\/\/.+)$/,
    'must be s3://bucket/prefix or file:///folder',
  );

/** Every variable there is, by what needs it. Nothing secret has a default. */
const SECTIONS = {
  redis: z.object({ UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: secret }),
  store: z
    .object({
      BACKUP_STORE: storeUrl,
      S3_REGION: z.string().optional(),
      S3_ENDPOINT: url.optional(),
      S3_ACCESS_KEY_ID: secret.optional(),
      S3_SECRET_ACCESS_KEY: secret.optional(),
      S3_ROLE_ARN: z.string().startsWith('arn:').optional(),
    })
    .superRefine((value, context) => {
      if (!value.BACKUP_STORE.startsWith('s3://')) return;
      const need = (name: string): void => context.addIssue({ code: 'custom', path: [name], message: 'is missing' });
      if (value.S3_REGION === undefined) need('S3_REGION');
      if (value.S3_ROLE_ARN !== undefined) return;
      if (value.S3_ACCESS_KEY_ID === undefined) need('S3_ACCESS_KEY_ID');
      if (value.S3_SECRET_ACCESS_KEY === undefined) need('S3_SECRET_ACCESS_KEY');
    }),
  queue: z.object({
    QSTASH_URL: url.optional(),
    QSTASH_TOKEN: secret,
    QSTASH_CURRENT_SIGNING_KEY: secret,
    QSTASH_NEXT_SIGNING_KEY: secret,
    PUBLIC_URL: url,
  }),
  keys: z.object({
    BACKUP_AGE_RECIPIENTS: list,
    BACKUP_AGE_IDENTITY: secret.optional(),
    BACKUP_SIGNING_KEY: secret.optional(),
    BACKUP_SIGNING_PUBLIC_KEY: secret.optional(),
  }),
  cron: z.object({ CRON_SECRET: secret.min(16, 'must have 16 characters or more') }),
  admin: z.object({ ADMIN_TOKEN: secret.min(16, 'must have 16 characters or more') }),
  webhook: z.object({ RESTORE_WEBHOOK_SECRET: secret }),
  vector: z.object({ UPSTASH_VECTOR_REST_URL: url, UPSTASH_VECTOR_REST_TOKEN: secret }),
  account: z.object({
    UPSTASH_EMAIL: z.string().min(3),
    UPSTASH_API_KEY: secret,
    UPSTASH_API_URL: url.default('https://api.upstash.com'),
    UPSTASH_REDIS_ID: z.string().min(1),
  }),
  providers: z.object({ PROVIDER_STATUS_URLS: list }),
  embedder: z.object({
    GEMINI_API_KEY: secret,
    GEMINI_BASE_URL: url.optional(),
    EMBEDDING_MODEL: z.string().default('gemini-embedding-001'),
    EMBEDDING_DIMENSIONS: z.coerce.number().int().min(128).max(3072).default(768),
    EMBEDDING_TEXTS_PER_MINUTE: z.coerce.number().int().min(100).optional(),
    CLUSTERING_TRUNCATE_BODY_CHARS: z.coerce.number().int().min(0).default(1500),
  }),
  retention: retentionSection,
  replica: replicaSection(storeUrl, url, secret),
  alerts: z.object({ ALERT_WEBHOOK_URL: url.optional(), HEARTBEAT_URL: url.optional() }),
  backend: z.object({ BACKEND_URL: url.optional() }),
  github: z.object({
    GITHUB_API_URL: url.default('https://api.github.com'),
    GITHUB_TOKEN: secret.optional(),
    GITHUB_CHECK_REPOS: list.refine((names) => names.every((name) => /^[\w.-]+\/[\w.-]+$/.test(name)), {
      error: 'must be repositories as owner/name, separated by commas',
    }),
  }),
  githubApp: z.object({ GITHUB_ID: z.string().min(1), GITHUB_SECRET: secret }),
  hosting: z.object({
    VERCEL_API_TOKEN: secret,
    VERCEL_TEAM_ID: z.string().optional(),
    VERCEL_API_URL: url.default('https://api.vercel.com'),
  }),
  backendProject: z.object({ SOULCASTER_BACKEND_PROJECT: z.string().min(1) }),
  dashboardProject: z.object({ SOULCASTER_DASHBOARD_PROJECT: z.string().min(1) }),
  backupProject: z.object({ SOULCASTER_BACKUP_PROJECT: z.string().optional() }),
  limits: z.object({
    FUNCTION_LIMIT_SECONDS: seconds(300),
    RUN_LEASE_SECONDS: seconds(60),
    BACKUP_REQUESTS_IN_FLIGHT: z.coerce.number().int().min(1).max(64).default(4),
    RESTORE_TASKS_AT_A_TIME: z.coerce.number().int().min(1).max(64).default(8),
    REINDEX_BATCHES_AT_A_TIME: z.coerce.number().int().min(1).max(64).default(10),
    BACKUP_PART_MIB: z.coerce.number().min(0.01).max(256).default(8),
    BACKUP_FIELD_EXPIRY: z.enum(['auto', 'always', 'never']).default('auto'),
  }),
} as const;

export type Section = keyof typeof SECTIONS;
export type Config<S extends Section> = { readonly [K in S]: z.output<(typeof SECTIONS)[K]> };

/**
 * Reads the variables of the named sections. What is missing or malformed is told all at once, by name and never by
 * value. An empty variable counts as unset, as hosts' dashboards leave them.
 */
export function loadConfig<S extends Section>(env: Environment, sections: readonly S[]): Config<S> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const problems: string[] = [];
  const loaded: Partial<Record<Section, unknown>> = {};
  for (const section of sections) {
    const parsed = SECTIONS[section].safeParse(given);
    if (parsed.success) loaded[section] = parsed.data;
    else problems.push(...parsed.error.issues.map((issue) => describe(issue, given)));
  }
  if (problems.length === 0) return loaded as Config<S>;
  throw new AppError('config', `The configuration is not complete: ${[...new Set(problems)].join('; ')}`, {
    hint: 'Set these variables in the environment or in the file given with --env-file; .env.example explains each.',
  });
}

/** Whether a section's variables are all there and well-formed. */
export function hasSection(env: Environment, section: Section): boolean {
  try {
    loadConfig(env, [section]);
    return true;
  } catch {
    return false;
  }
}

/** Whether a second store is meant to be used: its name alone says so, so that a forgotten variable is not overlooked. */
export function wantsReplica(env: Environment): boolean {
  return (env['BACKUP_REPLICA_STORE'] ?? '') !== '';
}

const TARGET = /^RESTORE_TARGET_([A-Z0-9_]+)_REST_URL$/;
const targetSchema = z.object({ url, token: secret });

/** A database other than the one that is backed up, by the name it has in RESTORE_TARGET_<NAME>_REST_URL and _TOKEN. */
export function loadTarget(env: Environment, name: string): z.output<typeof targetSchema> {
  const base = name === 'drill' ? 'DRILL_REDIS_REST' : `RESTORE_TARGET_${name.toUpperCase().replaceAll('-', '_')}_REST`;
  const parsed = targetSchema.safeParse({ url: env[`${base}_URL`], token: env[`${base}_TOKEN`] });
  if (parsed.success) return parsed.data;
  const known = Object.keys(env).flatMap((variable) => TARGET.exec(variable)?.[1]?.toLowerCase() ?? []);
  throw new AppError('usage', `There is no target ${JSON.stringify(name.slice(0, 40))}`, {
    hint: `Set ${base}_URL and ${base}_TOKEN; ${known.length === 0 ? 'no target is set here' : `set are: ${known.join(', ')}`}.`,
  });
}

/** Whether a database of another name is configured. */
export function hasTarget(env: Environment, name: string): boolean {
  try {
    loadTarget(env, name);
    return true;
  } catch {
    return false;
  }
}

/** Whether any queue is meant to be used: a token alone says so, so that a forgotten second variable is not overlooked. */
export function wantsQueue(env: Environment): boolean {
  return (env['QSTASH_TOKEN'] ?? '') !== '';
}

function describe(issue: z.core.$ZodIssue, given: Environment): string {
  const name = String(issue.path[0] ?? '');
  if (!(name in given)) return `${name} is missing`;
  // Zod's own words never hold the value for these checks; `received` of an enum would.
  return issue.code === 'invalid_value' ? `${name} is none of the values allowed` : `${name} ${issue.message}`;
}
