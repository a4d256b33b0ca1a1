import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { AppError, toAppError, type ErrorCode } from '../../lib/errors.js';
import { DATA_INCIDENTS } from './data.js';
import { makeHealthy, reasonsOf, statusOf, type IncidentOutcome, type Incident, type Scene } from './scene.js';
import { SCHEDULE_INCIDENTS } from './schedules.js';
import { SERVICE_INCIDENTS } from './services.js';
import { serveApi, type ApiReply } from '../stand-in-server.js';

export type { Incident, Scene } from './scene.js';

export const INCIDENTS: readonly Incident[] = [...DATA_INCIDENTS, ...SCHEDULE_INCIDENTS, ...SERVICE_INCIDENTS];

/** A started incident, as shown to the operator. */
export interface StartedIncident {
  readonly incident: string;
  readonly sees: string;
  readonly section: string;
  readonly variables: Readonly<Record<string, string>>;
  /** What `mend` repairs; null when the section's commands repair everything. */
  readonly mend: string | null;
}

/** The status after `mend`. */
export interface MendResult {
  readonly incident: string | null;
  readonly ended: string | null;
  readonly state: string;
  readonly reasons: readonly string[];
}

/** Throws `usage` for an unknown name. */
export function findIncident(name: string): Incident {
  const found = INCIDENTS.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new AppError('usage', `There is no incident ${JSON.stringify(name)}`, {
    hint: 'See them: npx soulcaster-backup dev --incident list',
  });
}

/** Runs incidents on a scene, one at a time. */
export function createRehearsal(scene: Scene) {
  let current: { readonly name: string; readonly mend: IncidentOutcome['mend'] } | null = null;

  async function end(): Promise<string | null> {
    const mend = current?.mend;
    current = current === null ? null : { name: current.name, mend: undefined };
    await mend?.end();
    return mend?.words ?? null;
  }

  return {
    /** Repairs the last incident, makes sure that the status is ok, then starts the incident. */
    async begin(name: string): Promise<StartedIncident> {
      const incident = findIncident(name);
      if (incident.needsS3 === true && scene.stack.urls.s3 === null) {
        throw new AppError('usage', `The incident ${name} needs a bucket, and the store of this stack is a folder`, {
          hint: `Stop the stack, then: npx soulcaster-backup dev --s3 --incident ${name}`,
        });
      }
      await end();
      await makeHealthy(scene);
      const { mend, variables = {} } = await incident.begin(scene);
      current = { name, mend };
      return { incident: name, sees: incident.sees, section: incident.section, variables, mend: mend?.words ?? null };
    },
    async mend(): Promise<MendResult> {
      const name = current?.name ?? null;
      const ended = await end();
      const report = await statusOf(await scene.context());
      return { incident: name, ended, state: report.state, reasons: reasonsOf(report) };
    },
  };
}

type RunningRehearsal = ReturnType<typeof createRehearsal>;

interface Place {
  readonly url: string;
  readonly token: string;
}

/** Serves commands of other terminals, on loopback; `file`, readable by its owner alone, holds address and token. */
export async function openControl(rehearsal: RunningRehearsal, file: string): Promise<{ stop(): Promise<void> }> {
  const token = randomBytes(24).toString('base64url');
  const server = await serveApi(async ({ headers, method, path }): Promise<ApiReply> => {
    if (method !== 'POST' || headers.authorization !== `Bearer ${token}`) return { status: 401, body: {} };
    try {
      const name = /^\/begin\/([\w-]+)$/.exec(path)?.[1];
      return { status: 200, body: name === undefined ? await rehearsal.mend() : await rehearsal.begin(name) };
    } catch (error) {
      const { code, hint, message } = toAppError(error);
      return { status: 422, body: { code, hint, message } };
    }
  });
  await rm(file, { force: true });
  await writeFile(file, JSON.stringify({ url: server.url, token }), { mode: 0o600 });
  return {
    async stop() {
      await rm(file, { force: true });
      await server.stop();
    },
  };
}

/** Starts an incident in the running stack, from another terminal. Throws the stack's error. */
export const beginRemotely = (file: string, name: string): Promise<StartedIncident> =>
  request<StartedIncident>(file, `/begin/${name}`);

export const mendRemotely = (file: string): Promise<MendResult> => request<MendResult>(file, '/mend');

async function request<T>(file: string, path: string): Promise<T> {
  const { token, url } = JSON.parse(await readFile(file, 'utf8')) as Place;
  const reply = await fetch(`${url}${path}`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  const body = (await reply.json()) as T & { code: ErrorCode; message: string; hint: string };
  if (reply.ok) return body;
  throw new AppError(body.code, body.message, { hint: body.hint });
}
