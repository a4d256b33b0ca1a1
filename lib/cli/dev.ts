import { once } from 'node:events';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import getPort from 'get-port';
import { check, lock } from 'proper-lockfile';
import { parseEnvFile } from '../app/config/env-file.js';
import { connect } from '../app/connect.js';
import { silentLog } from '../app/in-process.js';
import { AppError } from '../errors.js';
import { loadWorkspace } from '../../dev/data/index.js';
import {
  beginRemotely,
  mendRemotely,
  openControl,
  findIncident,
  INCIDENTS,
  createRehearsal,
  type MendResult,
  type StartedIncident,
} from '../../dev/incidents/index.js';
import { ensurePrograms, REDIS_SERVER } from '../../dev/packages.js';
import { envFileText, newSecrets, startStack, type Stack, type StackSecrets } from '../../dev/stack/index.js';
import { projectRoot } from '../project-root.js';
import { runOne } from '../redis/run-one.js';
import { createContext, type Context } from './context.js';
import { counted } from '../formats.js';
import { facts, table } from './output/table.js';

interface DevOptions {
  readonly s3?: boolean;
  readonly port?: number;
  readonly projects?: number;
  readonly items: number;
  /** An incident to cause, in the running stack or in a new one; `list` shows the incidents. */
  readonly incident?: string;
  /** Ends the parts of the last incident that an operator's commands cannot end. */
  readonly mend?: boolean;
}

const FOLDER = '.local';
const ENV_FILE = join(FOLDER, 'env');
/** The folder in which the commands of the runbook can be pasted unchanged: its `.env` is this stack's. */
const REHEARSAL = join(FOLDER, 'rehearsal');
const REHEARSAL_FILE = join(REHEARSAL, '.env');
const CONTROL_FILE = join(FOLDER, 'control');
const RUNBOOK = 'docs/operations.md';

/**
 * `dev`: runs everything on this machine until it is interrupted. Data is kept in `.local`, except that of S3. If a stack is
 * already running, `incident` and `mend` are sent to that stack.
 */
export async function dev(context: Context, options: DevOptions): Promise<number> {
  if (options.incident === 'list') return listIncidents(context);
  if (options.incident !== undefined) findIncident(options.incident);
  const isRunning = (options.incident !== undefined || options.mend === true) && (await isLocked());
  if (options.mend === true) {
    if (!isRunning)
      throw new AppError('usage', 'No local stack is running here, so there is no incident to end', {
        hint: 'Start one with an incident: `npx soulcaster-backup dev --incident list` shows the incidents.',
      });
    return printMended(context, await mendRemotely(CONTROL_FILE));
  }
  if (isRunning && options.incident !== undefined) {
    return printIncident(context, await beginRemotely(CONTROL_FILE, options.incident));
  }
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
    secrets: await previousSecrets(),
    // Incidents use hashes as vectors: the model would block this thread, and they do not depend on what vectors mean.
    gemini: { vectors: options.incident === undefined ? 'model' : 'hash' },
    queue: { timedSchedules: true },
    rehearsal: true,
    ports: { ...(options.port === undefined ? {} : { functions: options.port }), ...(await previousPort()) },
  });
  try {
    await mkdir(REHEARSAL, { recursive: true });
    for (const file of [ENV_FILE, REHEARSAL_FILE]) await writeEnvFile(file, envFileText(stack.env));
    if (options.projects !== undefined) await generateData(context, stack, { ...options, projects: options.projects });
    const control = await openRehearsal(context, stack, options.incident ?? null);
    try {
      if (!context.interrupt.aborted) await once(context.interrupt, 'abort');
    } finally {
      await control.stop();
    }
  } finally {
    await stack.stop();
  }
  context.note('Everything is stopped.');
  return 0;
}

/** Prints alert messages, begins an incident, and accepts commands of other terminals. */
async function openRehearsal(context: Context, stack: Stack, incident: string | null) {
  const { rehearsal } = stack;
  if (rehearsal === null) throw new TypeError('the stack was started without a rehearsal');
  rehearsal.receiver.onAlert((text) => context.note(`\nAlert message: ${text}`));
  const running = createRehearsal({
    // The object itself, not a copy: the functions of a stack change when they are rebuilt.
    stack: Object.assign(stack, { rehearsal }),
    context: () => operatorContext(context),
  });
  const control = await openControl(running, CONTROL_FILE);
  try {
    const started = incident === null ? null : await running.begin(incident);
    context.document({ urls: stack.urls, envFile: ENV_FILE, ...(started ?? {}) });
    context.print(describeStack(stack));
    if (started !== null) context.print(incidentWords(started));
    return control;
  } catch (error) {
    await control.stop();
    throw error;
  }
}

/** The context of a command in the rehearsal folder; it prints nothing. */
async function operatorContext({ interrupt }: Context): Promise<Context> {
  const opened = await createContext({ envFile: REHEARSAL_FILE }, interrupt);
  const silent = (): void => undefined;
  return { ...opened, onTerminal: false, print: silent, document: silent, note: silent, log: silentLog() };
}

function listIncidents(context: Context): number {
  context.document({ incidents: INCIDENTS.map(({ name, section, title }) => ({ name, title, section })) });
  context.print(
    table(
      ['incident', 'what has happened', `section of ${RUNBOOK}`],
      INCIDENTS.map(({ name, needsS3, section, title }) => [
        name,
        needsS3 === true ? `${title} (with --s3)` : title,
        section,
      ]),
    ),
  );
  return 0;
}

function printIncident(context: Context, started: StartedIncident): number {
  context.document(started);
  context.print(incidentWords(started));
  return 0;
}

function printMended(context: Context, mended: MendResult): number {
  context.document(mended);
  const { ended, incident, reasons, state } = mended;
  context.print(
    [
      incident === null ? 'No incident was begun.' : `Incident ${incident}${ended === null ? '' : `: ${ended}`}.`,
      `The status is ${state}${reasons.length === 0 ? '' : `: ${reasons.join('; ')}`}.`,
    ].join('\n'),
  );
  return state === 'ok' ? 0 : 1;
}

function incidentWords({ incident, mend, section, sees, variables }: StartedIncident): string {
  const assigned = Object.entries(variables).map(([name, value]) => `  ${name}='${value}'`);
  return [
    `Incident ${incident}. What you see first: ${sees}`,
    `Open ${RUNBOOK}, "${section}". Its commands work unchanged in this folder${assigned.length === 0 ? '' : ', after these lines'}:`,
    [`  cd ${resolve(REHEARSAL)}`, ...assigned].join('\n'),
    mend === null
      ? 'Its commands end the incident; `npx soulcaster-backup dev --mend` then shows whether everything works again.'
      : `For the steps of others, run \`npx soulcaster-backup dev --mend\` in the project folder: ${mend}.`,
  ].join('\n\n');
}

async function isLocked(): Promise<boolean> {
  return check(FOLDER).catch(() => false);
}

/** Locks the folder: two databases on the same files would corrupt them. */
async function lockFolder(): Promise<() => Promise<void>> {
  await mkdir(FOLDER, { recursive: true });
  return lock(FOLDER).catch((cause: unknown) => {
    throw new AppError('locked', `Another stack is running on ${resolve(FOLDER)}`, {
      hint: 'Use that stack, or stop it first. The lock of a killed stack expires after ten seconds.',
      cause,
    });
  });
}

/** The database port of the last start, if it is free: at another address the database would be another source. */
async function previousPort(): Promise<{ readonly redis?: number }> {
  const kept = (await previousVariables())['UPSTASH_REDIS_REST_URL'] ?? '';
  if (!URL.canParse(kept)) return {};
  const { hostname, port } = new URL(kept);
  const wanted = Number(port);
  return wanted > 0 && (await getPort({ host: hostname, port: wanted })) === wanted ? { redis: wanted } : {};
}

async function previousVariables(): Promise<Readonly<Record<string, string | undefined>>> {
  return parseEnvFile(await readFile(ENV_FILE).catch(() => new Uint8Array()));
}

/** The secrets of the last start, so that the variables of open terminals and old signatures stay valid. */
async function previousSecrets(): Promise<StackSecrets> {
  const kept = await previousVariables();
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

async function writeEnvFile(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    // An existing file would otherwise keep its mode.
    await file.chmod(0o600);
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

async function generateData(
  context: Context,
  stack: Stack,
  options: { projects: number; items: number },
): Promise<void> {
  const { redis } = connect(stack.env, ['redis']);
  const size = await runOne(redis, (sdk) => sdk.dbsize());
  if ('error' in size || size.value !== 0) {
    context.note('The database already has data: nothing was generated.');
    return;
  }
  const { projects, items } = options;
  const loaded = await loadWorkspace({ redisUrl: stack.urls.redis, projects, items, seed: 1 });
  context.note(`Generated ${counted(loaded.keys, 'key')} of ${counted(projects, 'project')}.`);
}

function describeStack({ urls, env }: Stack): string {
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
      ['standby', `${env['RESTORE_TARGET_STANDBY_REST_URL'] ?? ''} (REST, in memory)`],
      ['second store', env['BACKUP_REPLICA_STORE'] ?? ''],
      [
        'accounts',
        `GitHub ${env['GITHUB_API_URL'] ?? ''}, Vercel ${env['VERCEL_API_URL'] ?? ''}, Upstash ${env['UPSTASH_API_URL'] ?? ''}`,
      ],
      ['alerts', 'shown here when they are sent, and on the page'],
      ['variables', ENV_FILE],
    ]),
    'Try next, in another terminal:',
    facts([
      ['npx soulcaster-backup doctor --env-file .local/env', ''],
      ['npx soulcaster-backup backup --env-file .local/env', ''],
      ['npx soulcaster-backup drill --env-file .local/env', ''],
      ['npx soulcaster-backup status --env-file .local/env', ''],
      ['. .local/env; curl -H "Authorization: Bearer $CRON_SECRET" $PUBLIC_URL/api/cron/backup', ''],
    ]),
    'Practise the runbook: `npx soulcaster-backup dev --incident list`, then `npx soulcaster-backup dev --incident NAME` in another terminal.',
    'Ctrl-C stops everything.',
  ].join('\n\n');
}
