import { AppError } from '../errors.js';
import type { Clock, RedisPort } from '../ports/index.js';
import type { Engine, Started } from '../runs/engine.js';
import { DATABASE_LEASE } from '../snapshot/run.js';
import type { PassedOver } from '../snapshot/latest.js';
import { sourceOf } from '../snapshot/source.js';
import type { MarkStores } from '../snapshot/unfinished-marks.js';
import { DRILL_LEASE, DRILL_TARGET } from './drill/record.js';
import { firstRestoreCheckpoint } from './checkpoint.js';
import { chooseManifest, assertHoldsProject, assertSource, findSnapshot, type ChoosePorts } from './choose.js';
import { namesOf, type RestoreNames } from './result.js';
import type { RestoreInput } from './model.js';
import { confirmationFor } from './scope-words.js';
import { isUnbounded, itemsOf, normalizeScope, projectsOf } from './scope.js';
import { assertScopeHeld, assertMayReplaceAll, narrowToUndo, undoesScope } from './undo-scope.js';

/** The lease of dry runs: they take turns, and nothing else waits for them. */
const DRY_RUN_LEASE = 'dry-run';

/** The request for a restore, before it is validated. */
export interface RestoreRequest extends Omit<RestoreInput, 'file' | 'settle' | 'reindex' | 'undoes' | 'fromSource'> {
  /** Default false: see RestoreInput. */
  readonly fromSource?: boolean;
  /** Instead of `snapshot`: the newest verified snapshot finished at this time (ISO 8601). */
  readonly at: string | null;
  /** Null: decided by the snapshot. A safety snapshot is restored as it was, running jobs included. */
  readonly settle: boolean | null;
  /** Default true. */
  readonly reindex?: boolean;
  /** Must equal `confirmationFor` of the scope where a confirmation is required. */
  readonly confirm: string | null;
  /**
   * What requires a confirmation: `any` restore, or (the default) a replacement that names no project, key or item.
   * Never a dry run.
   */
  readonly confirmFor?: 'replacing-all' | 'any';
  /** Default false: a safety snapshot restores only the scope and target of the restore that it undoes. */
  readonly everything?: boolean;
  /** Whether a snapshot may lack keys that it could hold; never with mode `replace`, which would remove them. */
  readonly allowIncomplete: boolean;
}

export interface StartPorts extends ChoosePorts, MarkStores {
  readonly clock: Clock;
  /** BACKUP_LABEL of this deployment. */
  readonly label?: string | null;
  /** The database of a target's name; null: the protected one. Throws `config` for an unknown name. */
  readonly redisOf: (target: string | null) => RedisPort;
  /** Names of all configured targets, including the scratch database; two names may mean one database. */
  readonly targetNames: () => readonly string[];
}

/** A restore that may begin; nothing has been changed yet. */
export interface Prepared {
  readonly input: RestoreInput;
  readonly lease: string;
  readonly createdAt: string;
  readonly keys: number;
  readonly now: number;
  /** The snapshot and the database, for people. */
  readonly names: RestoreNames;
  /** Newer snapshots that `latest` passed over, and why. */
  readonly passedOver: readonly PassedOver[];
}

/**
 * Chooses the snapshot and checks everything that needs no database. Throws, besides what `chooseManifest` throws,
 * `usage`, `config` and `not-confirmed`.
 */
export async function prepareRestore(ports: StartPorts, requested: RestoreRequest): Promise<Prepared> {
  if (requested.allowIncomplete && requested.mode === 'replace') {
    throw new AppError('usage', 'Mode replace would remove the keys that an incomplete snapshot lacks', {
      hint: 'Allow an incomplete snapshot with mode merge or missing only. A snapshot that lacks only keys of types that no snapshot can hold need not be allowed.',
    });
  }
  checkTarget(ports, requested.target);
  normalizeScope(requested.scope);
  const own = sourceOf(ports.redisOf(null).host);
  const { id, passedOver } = await findSnapshot(ports, own, requested.snapshot, requested.at);
  const manifest = await chooseManifest(ports, id, requested.allowIncomplete);
  assertMayReplaceAll(manifest, requested);
  const request = await narrowToUndo(ports, requested, manifest);
  checkTarget(ports, request.target);
  const { fromSource = false } = request;
  await assertSource(ports, manifest, ports.redisOf(request.target), { fromSource, target: request.target });
  const { mode, expiry, dryRun, target, safety, trigger, reindex = true } = request;
  const scope = normalizeScope(request.scope);
  const { snapshotWords: file = null } = ports;
  const undoes = await undoesScope(ports, scope, manifest);
  if (!undoes) for (const project of projectsOf(scope)) assertHoldsProject(manifest, project, file);
  await assertScopeHeld(ports, { mode, scope, target }, manifest);
  assertConfirmed({ ...requested, scope: normalizeScope(requested.scope) }, id);
  const settle = request.settle ?? manifest.purpose !== 'safety';
  const input = {
    snapshot: id,
    file,
    scope,
    mode,
    expiry,
    dryRun,
    target,
    safety,
    settle,
    trigger,
    reindex,
    undoes,
    fromSource,
  };
  return {
    input,
    lease: leaseFor(ports, input),
    createdAt: manifest.createdAt,
    keys: manifest.counts.keys,
    now: ports.clock.now(),
    names: namesOf(ports, manifest, target),
    passedOver,
  };
}

/** Starts the run. A dry run changes nothing, so it neither waits for a restore nor blocks one; dry runs take turns. */
export function startRestore(engine: Engine, { input, keys, lease, now }: Prepared): Promise<Started> {
  return engine.start({
    kind: 'restore',
    lease,
    input,
    checkpoint: firstRestoreCheckpoint(now),
    progress: { done: 0, total: keys, unit: 'keys', bytes: 0 },
  });
}

/**
 * The lease: one per database, since a drill would wipe data restored into the scratch database. A name has several
 * spellings, and several names may have one address: the scratch database's name counts first, otherwise the first in
 * order.
 */
function leaseFor(ports: Pick<StartPorts, 'redisOf' | 'targetNames'>, { dryRun, target }: RestoreInput): string {
  if (dryRun) return DRY_RUN_LEASE;
  if (target === null) return DATABASE_LEASE;
  const { host } = ports.redisOf(target);
  const given = [target, ...ports.targetNames().filter((name) => targetHost(ports, name) === host)];
  const names = given.map((name) => name.toLowerCase().replaceAll('-', '_')).sort();
  return names.includes(DRILL_TARGET) ? DRILL_LEASE : `${DATABASE_LEASE}-${names[0] ?? ''}`;
}

/** The host of a target; null when the target is not configured correctly, so nothing can be restored into it. */
function targetHost({ redisOf }: Pick<StartPorts, 'redisOf'>, target: string): string | null {
  try {
    return redisOf(target).host;
  } catch {
    return null;
  }
}

/** Whether a restore may hold a lease of this name. */
export function isRestoreLease(lease: string): boolean {
  return [DRY_RUN_LEASE, DATABASE_LEASE, DRILL_LEASE].includes(lease) || lease.startsWith(`${DATABASE_LEASE}-`);
}

function checkTarget({ redisOf }: StartPorts, target: string | null): void {
  if (target === null || redisOf(target).host !== redisOf(null).host) return;
  throw new AppError('usage', `Target ${target} is the protected database`, {
    hint: 'To restore into it, leave --target out. Otherwise set the variables of the target to another database.',
  });
}

function assertConfirmed({ scope, mode, dryRun, confirm, confirmFor }: RestoreRequest, snapshot: string): void {
  if (dryRun || (confirmFor !== 'any' && (!isUnbounded(scope) || mode !== 'replace'))) return;
  const word = confirmationFor(scope, snapshot);
  if (confirm === word) return;
  const verb = mode === 'replace' ? 'replace' : 'restore';
  const what =
    'all' in scope
      ? `${verb} everything${mode === 'replace' ? ' in the database' : ''}`
      : 'project' in scope
        ? 'restore a project'
        : itemsOf(scope) !== null
          ? 'restore items'
          : `${verb} the keys that are selected`;
  // The id of a project or an item is not quoted: the caller should know it, not copy it from the error.
  const expected =
    word === snapshot
      ? `the snapshot's id, ${snapshot}`
      : 'project' in scope
        ? "the project's id"
        : 'PROJECT/ID of the item';
  throw new AppError('not-confirmed', `A confirmation is required to ${what}`, {
    hint: `Check a dry run first. Then send the request again with \`confirm\` set to ${expected}.`,
  });
}
