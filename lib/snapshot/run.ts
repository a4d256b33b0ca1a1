import type { Json } from '../json.js';
import type { Ports } from '../ports/index.js';
import type { Engine, Started } from '../runs/engine.js';
import type { Leg, Progress, RunDefinition, RunRecord, StepOutcome } from '../runs/model.js';
import { checkPart } from './check-part.js';
import { checkPhase } from './check-phase.js';
import { firstCheckpoint, parseCheckpoint } from './checkpoint.js';
import { recheckStep } from './recheck/step.js';
import { scanStep } from './scan/step.js';
import { dropIndexes, sealStep } from './seal.js';
import type { MarkStores } from './unfinished-marks.js';
import type { SnapshotSettings } from './settings.js';

export type SnapshotPorts = Pick<Ports, 'clock' | 'redis' | 'sealer' | 'signer' | 'store'> & MarkStores;

/** Held by whatever needs the protected database to itself: a snapshot must not be taken of one that is half restored. */
export const DATABASE_LEASE = 'database';

/** A snapshot that stood still for longer would be old when it is done: a new one is worth more. */
const STALE_MS = 3_600_000;

/** The run that takes a snapshot: read the database into parts, go through the names again,
 * read the parts back, write the manifest. */
export function snapshotRun(ports: SnapshotPorts, settings: SnapshotSettings): RunDefinition {
  return {
    kind: 'snapshot',
    lease: DATABASE_LEASE,
    mayResume: (run, now) => now - Date.parse(run.createdAt) <= STALE_MS,
    firstPhase: 'scan',
    phases: {
      scan: { type: 'serial', step: (leg) => scanStep(ports, settingsOf(settings, leg.run), leg) },
      recheck: { type: 'serial', step: (leg) => recheckStep(ports, settingsOf(settings, leg.run), leg) },
      check: checkPhase('seal', (run, task) => checkTask(ports, run, task)),
      seal: { type: 'serial', step: (leg) => sealAndTidy(ports, settingsOf(settings, leg.run), leg) },
    },
  };
}

async function sealAndTidy(ports: SnapshotPorts, settings: SnapshotSettings, leg: Leg): Promise<StepOutcome> {
  const outcome = await sealStep(ports, settings, leg);
  if (settings.purpose === 'backup' || isSafety(leg.run)) await dropIndexes(ports.store, leg.run.id);
  return outcome;
}

/**
 * Starts a snapshot; who or what asked for it stands in the run record. With `safety` it is one that is taken before
 * something else than a restore of ours replaces what is there.
 */
export function startSnapshot(
  engine: Engine,
  trigger: 'cron' | 'admin' | 'cli' | 'guard' | 'safety',
): Promise<Started> {
  const progress: Progress = { done: 0, total: null, unit: 'keys', bytes: 0 };
  return engine.start({ kind: 'snapshot', input: { trigger }, checkpoint: firstCheckpoint(), progress });
}

/** Told by the record, so that whoever goes on with the run knows it as well. */
function isSafety({ input }: RunRecord): boolean {
  return typeof input === 'object' && input !== null && 'trigger' in input && input.trigger === 'safety';
}

function settingsOf(settings: SnapshotSettings, run: RunRecord): SnapshotSettings {
  return isSafety(run) ? { ...settings, purpose: 'safety' } : settings;
}

async function checkTask(ports: SnapshotPorts, run: RunRecord, task: number): Promise<Json> {
  const { parts } = parseCheckpoint(run.checkpoint);
  const part = parts[task];
  if (part === undefined) return { findings: [], depth: 'lines' };
  const { findings, index } = await checkPart(ports, run.id, part, parts);
  const depth = index === null && findings.length === 0 ? 'stored-bytes' : 'lines';
  return { findings, depth };
}
