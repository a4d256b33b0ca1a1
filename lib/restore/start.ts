import { AppError } from '../errors.js';
import type { Clock, RedisPort } from '../ports/index.js';
import type { Engine, Started } from '../runs/engine.js';
import { DATABASE_LEASE } from '../snapshot/run.js';
import { DRILL_LEASE, DRILL_TARGET } from './drill/record.js';
import { firstRestoreCheckpoint } from './checkpoint.js';
import { chooseManifest, demandProject, demandSource, findSnapshot, type ChoosePorts } from './choose.js';
import { namesOf, type RestoreNames } from './naming.js';
import type { RestoreInput } from './model.js';
import type { PassedOver } from '../snapshot/latest.js';
import { sourceOf } from '../snapshot/source.js';
import type { MarkStores } from '../snapshot/unfinished-marks.js';
import { confirmationFor } from './scope-words.js';
import { isUnbounded, itemsOf, normalScope, projectsOf } from './selected.js';
import { demandHeld, demandWhole, narrowedToUndo, undoesScope } from './undo-scope.js';

/** Of dry runs: two of them take turns, and nothing else waits for one. */
const DRY_RUN_LEASE = 'dry-run';

/** What somebody asks for, before it is known whether it can be done. */
export interface RestoreRequest extends Omit<RestoreInput, 'settle' | 'reindex' | 'undoes' | 'fromSource'> {
  /** Default false: see RestoreInput. */
  readonly fromSource?: boolean;
  /** Instead of `snapshot`: the newest verified one finished at this time (ISO 8601). */
  readonly at: string | null;
  /** Null: as fits the snapshot. What a restore saved before it began comes back as it was, running jobs included. */
  readonly settle: boolean | null;
  /** Default true. */
  readonly reindex?: boolean;
  /** What `confirmationFor` says of the scope: must be it where a confirmation is demanded. */
  readonly confirm: string | null;
  /** What takes a confirmation, dry runs aside: a replacement that names no project, key or item (the default), or any restore. */
  readonly confirmFor?: 'replacing-all' | 'any';
  /** Default false: a safety snapshot undoes what its restore did, in its scope and target, and no more. */
  readonly everything?: boolean;
  /** Whether a snapshot will do that lacks keys which it could hold; never with mode `replace`, which would remove them. */
  readonly allowIncomplete: boolean;
}

export interface StartPorts extends ChoosePorts, MarkStores {
  readonly clock: Clock;
  /** BACKUP_LABEL of this deployment. */
  readonly label?: string | null;
  /** The database that is meant by a target's name; null: the one that is backed up. Throws `config` for an unknown one. */
  readonly redisOf: (target: string | null) => RedisPort;
  /** Names of all targets that are configured, the scratch database's among them; two of them may be of one database. */
  readonly targetNames: () => readonly string[];
}

/** A restore that may begin: nothing has been changed yet. */
export interface Prepared {
  readonly input: RestoreInput;
  readonly lease: string;
  readonly createdAt: string;
  readonly keys: number;
  readonly now: number;
  /** What the snapshot is of and what it goes into, for people. */
  readonly names: RestoreNames;
  /** Newer snapshots that `latest` did not take, and why. */
  readonly passedOver: readonly PassedOver[];
}

/**
 * Chooses the snapshot and checks everything that can be checked without the database. Throws, besides what
 * `chooseManifest` throws, `usage`, `config` and `not-confirmed`.
 */
export async function prepareRestore(ports: StartPorts, asked: RestoreRequest): Promise<Prepared> {
  if (asked.allowIncomplete && asked.mode === 'replace') {
    throw new AppError('usage', 'Mode replace would remove the keys that an incomplete snapshot lacks', {
      hint: 'Allow an incomplete snapshot with mode merge or missing only. One that lacks nothing but keys of types that no snapshot can hold need not be allowed.',
    });
  }
  checkTarget(ports, asked.target);
  normalScope(asked.scope);
  const own = sourceOf(ports.redisOf(null).host);
  const { id, passedOver } = await findSnapshot(ports, own, asked.snapshot, asked.at);
  const manifest = await chooseManifest(ports, id, asked.allowIncomplete);
  demandWhole(manifest, asked);
  const request = await narrowedToUndo(ports, asked, manifest);
  checkTarget(ports, request.target);
  const { fromSource = false } = request;
  await demandSource(ports, manifest, ports.redisOf(request.target), { fromSource, target: request.target });
  const { mode, expiry, dryRun, target, safety, trigger, reindex = true } = request;
  const scope = normalScope(request.scope);
  const undoes = await undoesScope(ports, scope, manifest);
  if (!undoes) for (const project of projectsOf(scope)) demandProject(manifest, project, ports.snapshotWords);
  await demandHeld(ports, { mode, scope, target }, manifest);
  demandConfirmation({ ...asked, scope: normalScope(asked.scope) }, id);
  const settle = request.settle ?? manifest.purpose !== 'safety';
  const input = {
    snapshot: id,
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

/** A dry run changes nothing, so that it need not wait for a restore, nor a restore for it; two of them take turns. */
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
 * One for each database: a drill would wipe what is restored into its own. A name may be written in several ways, and several
 * names may have one address: the scratch database's counts before others, else the first of them.
 */
function leaseFor(ports: Pick<StartPorts, 'redisOf' | 'targetNames'>, { dryRun, target }: RestoreInput): string {
  if (dryRun) return DRY_RUN_LEASE;
  if (target === null) return DATABASE_LEASE;
  const { host } = ports.redisOf(target);
  const given = [target, ...ports.targetNames().filter((name) => hostOf(ports, name) === host)];
  const names = given.map((name) => name.toLowerCase().replaceAll('-', '_')).sort();
  return names.includes(DRILL_TARGET) ? DRILL_LEASE : `${DATABASE_LEASE}-${names[0] ?? ''}`;
}

/** Null where a target is not configured as it must be: nothing can be restored into it. */
function hostOf({ redisOf }: Pick<StartPorts, 'redisOf'>, target: string): string | null {
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
  throw new AppError('usage', `Target ${target} is the very database that is backed up`, {
    hint: 'Leave the target out to restore into it, or set the variables of the target to another database.',
  });
}

function demandConfirmation({ scope, mode, dryRun, confirm, confirmFor }: RestoreRequest, snapshot: string): void {
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
  // The id of a project or an item is the caller's to know: who sends one should have read it, not copied it from here.
  const told =
    word === snapshot
      ? `the snapshot's id, ${snapshot}`
      : 'project' in scope
        ? "the project's id"
        : 'PROJECT/ID of the item';
  throw new AppError('not-confirmed', `To ${what} takes a confirmation`, {
    hint: `Look at a dry run first. Then send the request again with \`confirm\` set to ${told}.`,
  });
}
