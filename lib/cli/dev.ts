import { once } from 'node:events';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import getPort from 'get-port';
import { lock } from 'proper-lockfile';
import { withEnvFile } from '../config.js';
import { connect } from '../connect.js';
import { AppError } from '../errors.js';
import { loadWorkspace } from '../local/data/index.js';
import { ensurePrograms, REDIS_SERVER } from '../local/packages.js';
import { envFileText, newSecrets, startStack, type Stack, type StackSecrets } from '../local/stack/index.js';
import { projectRoot } from '../project-root.js';
import type { Context } from './context.js';
import { counted } from './output/format.js';
import { facts } from './output/table.js';

export interface DevOptions {
  readonly s3?: boolean;
  readonly port?: number;
  readonly projects?: number;
  readonly items: number;
}

const FOLDER = '.local';
const ENV_FILE = join(FOLDER, 'env');

/** `dev`: everything on this machine until it is told to stop. Data stays in `.local`, S3's excepted. */
export async function dev(context: Context, options: DevOptions): Promise<number> {
  await ensurePrograms([REDIS_SERVER], (text) => context.note(text));
  const release = await lockFolder();
  try {
    return await runStack(context, options);
  } finally {
    await release();
  }
}

async function runStack(context: Context, options: DevOptions): Promise<number> {
  const stack = await startStack({
    root: projectRoot(),
    folder: resolve(FOLDER),
    s3: options.s3 === true,
    secrets: await keptSecrets(),
    gemini: { vectors: 'model' },
    ports: { ...(options.port === undefined ? {} : { functions: options.port }), ...(await keptPort()) },
  });
  try {
    await writeEnvFile(envFileText(stack.env));
    if (options.projects !== undefined) await generate(context, stack, { ...options, projects: options.projects });
    context.document({ urls: stack.urls, envFile: ENV_FILE });
    context.print(describe(stack));
    if (!context.interrupt.aborted) await once(context.interrupt, 'abort');
  } finally {
    await stack.stop();
  }
  context.note('Everything is stopped.');
  return 0;
}

/** Two databases over the same files would ruin them. */
async function lockFolder(): Promise<() => Promise<void>> {
  await mkdir(FOLDER, { recursive: true });
  return lock(FOLDER).catch((cause: unknown) => {
    throw new AppError('locked', `Another stack is running on ${resolve(FOLDER)}`, {
      hint: 'Use that one, or stop it first. One that was killed gives way after ten seconds.',
      cause,
    });
  });
}

/** The address of the last time, while it is free: a database at another one would be another source. */
async function keptPort(): Promise<{ readonly redis?: number }> {
  const kept = (await keptVariables())['UPSTASH_REDIS_REST_URL'] ?? '';
  if (!URL.canParse(kept)) return {};
  const { hostname, port } = new URL(kept);
  const wanted = Number(port);
  return wanted > 0 && (await getPort({ host: hostname, port: wanted })) === wanted ? { redis: wanted } : {};
}

async function keptVariables(): Promise<Readonly<Record<string, string | undefined>>> {
  return withEnvFile({}, await readFile(ENV_FILE).catch(() => new Uint8Array()));
}

/** The secrets of the last time, so that terminals with the old variables go on, and old signatures hold. */
async function keptSecrets(): Promise<StackSecrets> {
  const kept = await keptVariables();
  const fresh = newSecrets();
  return {
    redisToken: kept['UPSTASH_REDIS_REST_TOKEN'] ?? fresh.redisToken,
    redisReadOnlyToken: fresh.redisReadOnlyToken,
    scratchToken: kept['DRILL_REDIS_REST_TOKEN'] ?? fresh.scratchToken,
    queueToken: kept['QSTASH_TOKEN'] ?? fresh.queueToken,
    vectorToken: kept['UPSTASH_VECTOR_REST_TOKEN'] ?? fresh.vectorToken,
    geminiKey: kept['GEMINI_API_KEY'] ?? fresh.geminiKey,
    currentSigningKey: kept['QSTASH_CURRENT_SIGNING_KEY'] ?? fresh.currentSigningKey,
    nextSigningKey: kept['QSTASH_NEXT_SIGNING_KEY'] ?? fresh.nextSigningKey,
    cronSecret: kept['CRON_SECRET'] ?? fresh.cronSecret,
    adminToken: kept['ADMIN_TOKEN'] ?? fresh.adminToken,
    webhookSecret: kept['RESTORE_WEBHOOK_SECRET'] ?? fresh.webhookSecret,
    manifestKey: kept['BACKUP_SIGNING_KEY'] ?? fresh.manifestKey,
  };
}

async function writeEnvFile(text: string): Promise<void> {
  const file = await open(ENV_FILE, 'w', 0o600);
  try {
    // A file that was there keeps its mode otherwise.
    await file.chmod(0o600);
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

async function generate(context: Context, stack: Stack, options: { projects: number; items: number }): Promise<void> {
  const { redis } = connect(stack.env, ['redis']);
  const [size] = await redis.pipeline([['DBSIZE']]);
  if (size === undefined || 'error' in size || size.value !== 0) {
    context.note('The database has data from before: nothing was generated.');
    return;
  }
  const { projects, items } = options;
  const loaded = await loadWorkspace({ redisUrl: stack.urls.redis, projects, items, seed: 1 });
  context.note(`Generated ${counted(loaded.keys, 'key')} of ${counted(projects, 'project')}.`);
}

function describe({ urls, env }: Stack): string {
  return [
    'The local stack is running. Its queue, REST protocol and function host are stand-ins for the vendors’ services.',
    facts([
      ['page', `${urls.functions}/ (sign in with ADMIN_TOKEN, which is in ${ENV_FILE})`],
      ['functions', urls.functions],
      ['redis', `${urls.redisRest} (REST), ${urls.redis}`],
      [
        'store',
        urls.s3 === null ? (env['BACKUP_STORE'] ?? '') : `${urls.s3} (${env['BACKUP_STORE'] ?? ''}, in memory)`,
      ],
      ['queue', urls.queue],
      ['scratch', `${urls.scratch} (REST, in memory): for drills`],
      ['vector', `${urls.vector} (in memory)`],
      ['gemini', urls.gemini],
      ['variables', ENV_FILE],
    ]),
    'Try next, in another terminal:',
    facts([
      ['soulcaster-backup --env-file .local/env doctor', ''],
      ['soulcaster-backup --env-file .local/env backup', ''],
      ['soulcaster-backup --env-file .local/env drill', ''],
      ['soulcaster-backup --env-file .local/env status', ''],
      ['. .local/env; curl -H "Authorization: Bearer $CRON_SECRET" $PUBLIC_URL/api/cron/backup', ''],
    ]),
    'Ctrl-C stops everything.',
  ].join('\n\n');
}
