import type { Engine, Started } from '../../runs/engine.js';
import type { Trigger } from '../../runs/records.js';
import type { Attempt, RunDefinition, SerialPhase, StepOutcome, TaskPhase } from '../../runs/model.js';
import { hasIdentity } from '../choose.js';
import { catalogEntry } from '../../snapshot/catalog.js';
import { loadManifest } from '../../snapshot/manifest.js';
import { sourceOf } from '../../snapshot/source.js';
import { trustContext } from '../../snapshot/trust.js';
import { latestTrusted } from '../../snapshot/latest.js';
import { firstRestoreCheckpoint, inputOf, parseRestoreCheckpoint } from '../checkpoint.js';
import type { RestorePorts, RestoreSettings } from '../context.js';
import type { RestoreInput } from '../model.js';
import { DRILL } from '../kinds.js';
import { enter } from '../phases.js';
import { restoreRun } from '../run.js';
import { DRILL_LEASE, DRILL_TARGET, drillSchema, writeDrill, type Drill } from './record.js';
import { demandScratch, objectionTo, wipe, wipeAndMark } from './scratch.js';

const FULL = 'the scratch database has no room: it is empty and refuses to take anything (see its maxmemory)';

/** What the report of the restore says of its time. */
const writtenSchema = drillSchema.pick({ restoredMilliseconds: true, restoredAt: true, provenAt: true });

interface DrillPorts extends RestorePorts {
  /** Whether there is a database to drill in at all. */
  readonly hasScratch: boolean;
}

/**
 * The run that proves that the newest verified snapshot can be restored: all phases of a restore into a scratch
 * database, which is wiped before and after.
 */
export function drillRun(ports: DrillPorts, settings: RestoreSettings): RunDefinition {
  const { releaseResources, phases } = restoreRun(ports, settings);
  const drilled = Object.entries(phases).map(([name, phase]) => [name, inScratch(ports, phase)]);
  return {
    ...DRILL,
    lease: DRILL_LEASE,
    // The time that it measures would mean nothing.
    mayResume: () => false,
    ...(releaseResources === undefined ? {} : { releaseResources }),
    firstPhase: 'prepare',
    phases: {
      ...(Object.fromEntries(drilled) as RunDefinition['phases']),
      prepare: { type: 'serial', step: (attempt) => prepareStep(ports, attempt) },
    },
  };
}

/** A phase of the restore, which touches nothing but a scratch database. Its end is not yet the end of the drill. */
function inScratch(ports: DrillPorts, phase: SerialPhase | TaskPhase): SerialPhase | TaskPhase {
  const demand = (): Promise<void> => demandScratch(ports.redisOf(DRILL_TARGET), ports.redisOf(null));
  if (phase.type === 'tasks') {
    return {
      ...phase,
      task: async (run, task, signal, turn, confirm) => {
        await demand();
        return phase.task(run, task, signal, turn, confirm);
      },
    };
  }
  return {
    type: 'serial',
    step: async (attempt) => {
      await demand();
      return conclude(ports, attempt, await phase.step(attempt));
    },
  };
}

type TrustingPorts = Pick<DrillPorts, 'clock' | 'redisOf' | 'signer' | 'store'>;

/** Starts a drill with `latest`. `trigger`: who or what asked for it. */
export async function startDrill(ports: TrustingPorts, engine: Engine, trigger?: Trigger): Promise<Started> {
  const newest = await latestTrusted(await trustContext(ports, sourceOf(ports.redisOf(null).host)));
  const input: RestoreInput = {
    snapshot: newest?.id ?? '',
    scope: { all: true },
    mode: 'replace',
    expiry: 'keep',
    dryRun: false,
    target: DRILL_TARGET,
    fromSource: false,
    safety: false,
    undoes: false,
    settle: false,
    reindex: false,
    trigger: 'drill',
  };
  return engine.start({
    kind: 'drill',
    input,
    ...(trigger === undefined ? {} : { trigger }),
    checkpoint: firstRestoreCheckpoint(ports.clock.now()),
    progress: { done: 0, total: newest?.manifest?.counts.keys ?? null, unit: 'keys', bytes: 0 },
  });
}

/** Sees that there is something to restore and somewhere to restore it. What cannot be drilled is not passed. */
async function prepareStep(ports: DrillPorts, attempt: Attempt): Promise<StepOutcome> {
  const { snapshot } = inputOf(attempt.run);
  const objection = await objectionToDrill(ports, snapshot);
  if (objection !== null) return inconclusive(ports, attempt, objection);
  if (!(await wipeAndMark(ports.redisOf(DRILL_TARGET)))) return inconclusive(ports, attempt, FULL);
  await writeDrill(ports.store, await recordOf(ports, attempt, { outcome: 'started' }));
  const state = { ...parseRestoreCheckpoint(attempt.run.checkpoint), startedAt: ports.clock.now() };
  return enter('open', state, 0, ports.clock.now());
}

async function objectionToDrill(ports: DrillPorts, snapshot: string): Promise<string | null> {
  if (snapshot === '') return 'there is no verified snapshot to restore';
  if (!ports.hasScratch) return 'there is no scratch database: set DRILL_REDIS_REST_URL and DRILL_REDIS_REST_TOKEN';
  const manifest = (await loadManifest(ports.store, snapshot))?.manifest;
  if (manifest !== undefined && !hasIdentity(ports.encryptor, manifest)) {
    return `snapshot ${snapshot} is encrypted and there is no age identity here to open it; drill on a machine that has it: npx soulcaster-backup drill --local --env-file .env`;
  }
  if (manifest?.counts.keys === 0) return `snapshot ${snapshot} holds no key, so that to restore it proves nothing`;
  return objectionTo(ports.redisOf(DRILL_TARGET), ports.redisOf(null));
}

async function inconclusive(ports: DrillPorts, attempt: Attempt, reason: string): Promise<StepOutcome> {
  const drill = await recordOf(ports, attempt, { outcome: 'inconclusive', reason, finishedAt: timeOf(ports) });
  await writeDrill(ports.store, drill);
  const error = {
    code: 'incomplete',
    message: `The drill is inconclusive: ${reason}`,
    hint: 'Nothing was tried, so nothing is proven. Mend what is named and drill again.',
  } as const;
  return { to: 'end', state: 'incomplete', result: drill, error };
}

/** Wipes what was filled, and writes the record. */
async function conclude(ports: DrillPorts, attempt: Attempt, outcome: StepOutcome): Promise<StepOutcome> {
  if (outcome.to !== 'end') return outcome;
  const { startedAt } = parseRestoreCheckpoint(attempt.run.checkpoint);
  await demandScratch(ports.redisOf(DRILL_TARGET), ports.redisOf(null));
  await wipe(ports.redisOf(DRILL_TARGET));
  // What the scratch database cannot take says nothing of the snapshot.
  if (outcome.error?.code === 'not-restorable') {
    const { hint, message } = outcome.error;
    return inconclusive(ports, attempt, `${message.replace('The target', 'The scratch database')} ${hint}`);
  }
  const passed = outcome.state === 'succeeded';
  const written = writtenSchema.safeParse(outcome.result).data;
  const error =
    outcome.error?.code === 'incomplete' ? { ...outcome.error, code: 'not-proven' as const } : outcome.error;
  const drill = await recordOf(ports, attempt, {
    outcome: passed ? 'passed' : 'failed',
    reason: outcome.error?.message ?? null,
    finishedAt: timeOf(ports),
    milliseconds: passed ? ports.clock.now() - startedAt : null,
    ...(passed ? written : {}),
  });
  await writeDrill(ports.store, drill);
  return {
    ...outcome,
    state: passed ? 'succeeded' : outcome.state === 'incomplete' ? 'failed' : outcome.state,
    error,
    result: { ...drill, restore: outcome.result },
  };
}

async function recordOf(
  { store }: DrillPorts,
  attempt: Attempt,
  changes: Partial<Drill> & Pick<Drill, 'outcome'>,
): Promise<Drill> {
  const { snapshot } = inputOf(attempt.run);
  const entry = snapshot === '' ? null : await catalogEntry(store, snapshot);
  return {
    id: attempt.run.id,
    source: attempt.run.source,
    reason: null,
    snapshot: snapshot === '' ? null : snapshot,
    keys: entry?.manifest?.counts.keys ?? 0,
    startedAt: attempt.run.createdAt,
    finishedAt: null,
    milliseconds: null,
    restoredMilliseconds: null,
    restoredAt: null,
    provenAt: null,
    ...changes,
  };
}

function timeOf({ clock }: DrillPorts): string {
  return new Date(clock.now()).toISOString();
}
