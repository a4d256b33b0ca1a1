import { z } from 'zod';
import type { Deployment, DeploymentState, HostedVariable } from '../../ports/hosting.js';
import { foreign } from './failures.js';

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
});

/** The list comes whole, in pages, or as a variable by itself (vercel.com/docs/rest-api/projects). */
const listSchema = z.union([
  z.object({
    envs: z.array(variableSchema),
    pagination: z.object({ next: z.number().nullable() }).optional(),
  }),
  variableSchema.transform((one) => ({ envs: [one], pagination: undefined })),
]);

/** Those of production. A page that has a next one would lack some: then nothing can be said. */
export function variablesOf(answer: unknown): HostedVariable[] {
  const list = listSchema.safeParse(answer);
  if (!list.success || (list.data.pagination?.next ?? null) !== null) throw foreign();
  return list.data.envs.flatMap(({ id, key, type, target }) =>
    id !== undefined && target.includes('production')
      ? [{ id, name: key, readable: type === 'encrypted' || type === 'plain', environments: target }]
      : [],
  );
}

const valueSchema = z.object({ value: z.string().optional(), decrypted: z.boolean().optional(), type: z.string() });

export function valueOf(answer: unknown): string | null {
  const variable = valueSchema.safeParse(answer);
  if (!variable.success) throw foreign();
  const { decrypted, type, value } = variable.data;
  // What is not decrypted is cipher text, and would be put back as such.
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
  .object({ id: z.string().min(1), name: z.string().default(''), readyState: z.string() })
  .transform(({ id, name, readyState }): Deployment => ({ id, name, state: stateOf(readyState) }));

const deploymentsSchema = z.object({
  deployments: z.array(
    z.object({
      uid: z.string().min(1),
      name: z.string(),
      readyState: z.string().optional(),
      state: z.string().optional(),
      meta: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});

/** The name under which a deployment's metadata holds our mark. */
const MARK = 'soulcasterBackup';

export function deploymentsOf(answer: unknown): { deployment: Deployment; marker: unknown }[] {
  const list = deploymentsSchema.safeParse(answer);
  if (!list.success) throw foreign();
  return list.data.deployments.map(({ uid, name, readyState, state, meta }) => ({
    deployment: { id: uid, name, state: stateOf(readyState ?? state ?? '') },
    marker: meta?.[MARK],
  }));
}

/** What asks for a deployment to be built anew: all settings are those of the first, variables those of now. */
export function newDeployment(from: Deployment, marker: string): object {
  return { name: from.name, deploymentId: from.id, target: 'production', meta: { action: 'redeploy', [MARK]: marker } };
}
