import { z } from 'zod';
import { AppError } from '../../errors.js';
import type { Deployment, DeploymentState, HostedName, HostedVariable } from '../../ports/hosting.js';
import type { RestAnswer } from '../rest.js';
import { parseRetryAfter } from '../retry.js';

/** The answer, if it has this form. */
export function parse<T>(schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (!parsed.success) throw foreignAnswerError();
  return parsed.data;
}

const targets = z
  .union([z.array(z.string()), z.string()])
  .optional()
  .transform((target) => (Array.isArray(target) ? target : target === undefined ? [] : [target]));

const variableSchema = z.object({
  id: z.string().min(1).optional(),
  key: z.string(),
  type: z.string(),
  target: targets,
  gitBranch: z.string().nullish(),
  comment: z.string().nullish(),
  updatedAt: z.number().nullish(),
});

/** The list is complete, a page, or a single variable (vercel.com/docs/rest-api/projects). */
const listSchema = z.union([
  z.object({
    envs: z.array(variableSchema),
    pagination: z.object({ next: z.number().nullable() }).optional(),
  }),
  variableSchema.transform((one) => ({ envs: [one], pagination: undefined })),
]);

/** The variables of production. A page with a next one is incomplete, and is refused. */
export function parseVariables(answer: unknown): HostedVariable[] {
  const { envs, pagination } = parse(listSchema, answer);
  if ((pagination?.next ?? null) !== null) throw foreignAnswerError();
  return envs.flatMap(({ id, key, type, target, comment, updatedAt }) => {
    if (id === undefined || !target.includes('production')) return [];
    const readable = type === 'encrypted' || type === 'plain';
    return [{ id, name: key, readable, environments: target, comment: comment ?? '', updatedAt: updatedAt ?? null }];
  });
}

const valueSchema = z.object({ value: z.string().optional(), decrypted: z.boolean().optional(), type: z.string() });

export function parseValue(answer: unknown): string | null {
  const { decrypted, type, value } = parse(valueSchema, answer);
  // A value that is not decrypted is cipher text, and would be written back as such.
  return type === 'plain' || decrypted === true ? (value ?? null) : null;
}

export const createdSchema = z.object({ failed: z.array(z.unknown()).default([]) });

const READY_STATES: Readonly<Record<string, DeploymentState>> = {
  READY: 'ready',
  ERROR: 'failed',
  CANCELED: 'failed',
  DELETED: 'failed',
  BLOCKED: 'failed',
};

const stateOf = (readyState: string): DeploymentState => READY_STATES[readyState] ?? 'building';

export const deploymentSchema = z
  .object({
    id: z.string().min(1),
    name: z.string().default(''),
    readyState: z.string(),
    createdAt: z.number().nullish(),
  })
  .transform(({ createdAt, id, name, readyState }): Deployment => {
    return { id, name, state: stateOf(readyState), createdAt: createdAt ?? null };
  });

const deploymentsSchema = z.object({
  deployments: z.array(
    z.object({
      uid: z.string().min(1),
      name: z.string(),
      readyState: z.string().optional(),
      state: z.string().optional(),
      created: z.number().nullish(),
      createdAt: z.number().nullish(),
      meta: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});

/** The name under which a deployment's metadata holds our mark. */
const MARK = 'soulcasterBackup';

export function parseDeployments(answer: unknown): { deployment: Deployment; marker: unknown }[] {
  return parse(deploymentsSchema, answer).deployments.map(
    ({ uid, name, readyState, state, meta, created, createdAt }) => ({
      deployment: { id: uid, name, state: stateOf(readyState ?? state ?? ''), createdAt: createdAt ?? created ?? null },
      marker: meta?.[MARK],
    }),
  );
}

/** The request to rebuild a deployment, with its settings and the current variables. */
export function redeployBody(from: Deployment, marker: string): object {
  return { name: from.name, deploymentId: from.id, target: 'production', meta: { action: 'redeploy', [MARK]: marker } };
}

const nameSchema = z.object({ id: z.string().min(1), name: z.string() });

/** The teams or projects of an answer. */
export function parseNames(which: 'teams' | 'projects', answer: unknown): HostedName[] {
  const list = z.object({ [which]: z.array(nameSchema) }).safeParse(answer);
  const names = list.success ? list.data[which] : undefined;
  if (names === undefined) throw foreignAnswerError();
  return names;
}

const domainsSchema = z.object({
  domains: z.array(
    z.object({
      name: z.string().min(1),
      verified: z.boolean().default(true),
      redirect: z.string().nullish(),
      gitBranch: z.string().nullish(),
      customEnvironmentId: z.string().nullish(),
    }),
  ),
});

/** Hosts of production that do not redirect; Vercel's own last. */
export function parseDomains(answer: unknown): string[] {
  const usable = parse(domainsSchema, answer).domains.filter(
    ({ customEnvironmentId, gitBranch, redirect, verified }) =>
      verified && [customEnvironmentId, gitBranch, redirect].every((text) => (text ?? '') === ''),
  );
  const names = usable.map(({ name }) => name);
  const isVercels = (name: string): boolean => name.endsWith('.vercel.app');
  return [...names.filter((name) => !isVercels(name)), ...names.filter(isVercels)];
}

const problemSchema = z.object({
  error: z.object({ code: z.string().optional(), limit: z.object({ resetMs: z.number().optional() }).optional() }),
});

/** The error for an answer other than 2xx. Source: vercel.com/docs/rest-api/errors */
export function refusalError({ status, headers, json }: RestAnswer, now: number): AppError {
  const { code, limit } = problemSchema.safeParse(json).data?.error ?? {};
  // Vercel's codes are single words; any other text is not repeated.
  const word = code !== undefined && /^[A-Za-z_-]{1,60}$/.test(code) ? `, ${code}` : '';
  if (status === 401 || status === 403)
    return new AppError('hosting-denied', `Vercel did not accept the token for this (HTTP ${status}${word})`, {
      hint: 'Create a token for the team of the projects (vercel.com, Account Settings, Tokens), and set VERCEL_API_TOKEN and VERCEL_TEAM_ID.',
    });
  if (status === 429) {
    const reset = limit?.resetMs === undefined ? undefined : Math.max(0, limit.resetMs - now);
    return new AppError('hosting-limit', "Vercel's rate limit is reached (HTTP 429)", {
      hint: 'Run the same command again later; deployments are limited by the hour and the day.',
      transient: true,
      retryAfterMs: parseRetryAfter(headers.get('retry-after'), now) ?? reset,
    });
  }
  if (status >= 500 || status === 408) return unavailableError(`Vercel answered HTTP ${status}`);
  if (status === 404) return refusedError(`knows no such project, variable or deployment (HTTP 404${word})`);
  return refusedError(`refused the request (HTTP ${status}${word})`);
}

export function unavailableError(message: string, cause?: unknown): AppError {
  return new AppError('hosting-unavailable', message, {
    hint: 'Check vercel-status.com, and VERCEL_API_URL if it is set; then run the same command again.',
    transient: true,
    cause,
  });
}

export function refusedError(what: string): AppError {
  return new AppError('hosting-refused', `Vercel ${what}`, {
    hint: 'Check the name of the project and VERCEL_TEAM_ID; change a variable that an integration manages at the integration.',
  });
}

function foreignAnswerError(): AppError {
  return new AppError('hosting-unavailable', 'What answered is not the Vercel API', {
    hint: 'Check VERCEL_API_URL; the default is https://api.vercel.com.',
  });
}
