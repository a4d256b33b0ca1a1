import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { AppError, toAppError, type ErrorCode } from '../../lib/errors.js';
import { serveApi, type ApiReply } from '../stand-in-server.js';
import type { MendResult, RunningRehearsal, StartedIncident } from './index.js';

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
