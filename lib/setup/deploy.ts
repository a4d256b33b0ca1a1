import { createHash } from 'node:crypto';
import { AppError } from '../errors.js';
import type { Deployment, HostedVariable } from '../ports/hosting.js';
import type { Ports } from '../ports/index.js';
import type { Values } from './model.js';

type DeployPorts = Pick<Ports, 'clock' | 'deployments' | 'variables'>;

/** A variable of the project, and what is done with it. */
interface PlannedVariable {
  readonly name: string;
  /** `create`: it does not exist; `write`: its value differs or cannot be compared; `keep`: it has this value. */
  readonly action: 'create' | 'write' | 'keep';
  readonly found: HostedVariable | null;
}

export interface VariablePlan {
  readonly variables: readonly PlannedVariable[];
  /** Names of other variables in production. They are left unchanged, except those of `removed`. */
  readonly others: readonly string[];
  /** Variables of the functions to remove: given by the operator, and found. */
  readonly removed: readonly HostedVariable[];
  /** When one of our variables last changed, in milliseconds; null if the host does not say or none exists. */
  readonly changedAt: number | null;
}

const COMMENT_PREFIX = 'soulcaster-backup';

/**
 * Identifies a value that the host does not return: 64 bits of its hash, stored in the variable's comment. The name is hashed
 * too, so that two variables with the same value have different comments.
 */
function commentOf(name: string, value: string): string {
  const digest = createHash('sha256').update(`${name}\n${value}`).digest('hex').slice(0, 16);
  return `${COMMENT_PREFIX} ${digest}`;
}

/** Compares the project's production variables with the wanted ones. `remove`: names to remove. Changes nothing. */
export async function planVariables(
  { variables }: Pick<DeployPorts, 'variables'>,
  project: string,
  wanted: Values,
  remove: readonly string[] = [],
): Promise<VariablePlan> {
  const there = await variables.list(project);
  const planned: PlannedVariable[] = [];
  for (const [name, value] of Object.entries(wanted)) {
    const found = there.find((one) => one.name === name) ?? null;
    if (found === null) planned.push({ name, action: 'create', found });
    else {
      const isSame = found.readable
        ? (await variables.read(project, found.id)) === value
        : found.comment === commentOf(name, value);
      planned.push({ name, action: isSame ? 'keep' : 'write', found });
    }
  }
  const ours = planned.flatMap(({ found }) => found?.updatedAt ?? []);
  return {
    variables: planned,
    others: there.filter(({ name }) => !(name in wanted)).map(({ name }) => name),
    removed: there.filter(({ name }) => remove.includes(name)),
    changedAt: ours.length === 0 ? null : Math.max(...ours),
  };
}

/** Sets the variables that differ, and removes those of the plan. Can be interrupted and repeated. `isSecret`: variables that are stored as sensitive. */
export async function setVariables(
  { variables }: Pick<DeployPorts, 'variables'>,
  project: string,
  wanted: Values,
  plan: VariablePlan,
  isSecret: (name: string) => boolean,
): Promise<void> {
  for (const { action, found, name } of plan.variables) {
    const value = wanted[name] ?? '';
    const comment = commentOf(name, value);
    if (action === 'create') await variables.create(project, name, value, { sensitive: isSecret(name), comment });
    if (action === 'write' && found !== null) await variables.write(project, found.id, value, { comment });
  }
  for (const { id } of plan.removed) await variables.remove(project, id);
}

/** Whether production was built before its variables last changed. True also if that is not known. */
export function isStale(newest: Deployment, plan: VariablePlan): boolean {
  if (plan.removed.length > 0 || plan.variables.some(({ action }) => action !== 'keep')) return true;
  return newest.createdAt === null || plan.changedAt === null || newest.createdAt < plan.changedAt;
}

/** After this time, in milliseconds, a deployment that is not ready counts as failed. */
const LIMIT_MS = 15 * 60_000;
const POLL_MS = 3_000;

/** Rebuilds production and waits until it is ready. Throws `deployment-failed`. */
export async function rebuildProduction(
  { clock, deployments }: Omit<DeployPorts, 'variables'>,
  project: string,
  newest: Deployment,
  interrupt: AbortSignal,
): Promise<Deployment> {
  const begun = await deployments.redeploy(project, newest, `deploy-${clock.now()}`);
  const until = clock.now() + LIMIT_MS;
  let { state } = begun;
  while (state === 'building' && clock.now() < until) {
    await clock.sleep(POLL_MS, interrupt);
    interrupt.throwIfAborted();
    state = await deployments.state(begun.id).catch((error: unknown) => {
      if (error instanceof AppError && error.transient) return 'building' as const;
      throw error;
    });
  }
  if (state === 'ready') return { ...begun, state };
  const what = state === 'failed' ? 'has failed' : `is not ready after ${LIMIT_MS / 60_000} minutes`;
  throw new AppError('deployment-failed', `Deployment ${begun.id} of ${project} ${what}`, {
    hint: 'See its build log on Vercel; the previous deployment still serves. Then run the same command again.',
  });
}
