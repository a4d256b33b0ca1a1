import type { Json } from '../json.js';
import type { Ports } from '../ports/index.js';
import type { Engine, Started } from '../runs/engine.js';
import type { Attempt, Progress, RunDefinition, RunRecord, StepOutcome } from '../runs/model.js';
import { checkPart, checkPhase } from './check-part.js';
import { firstCheckpoint, parseCheckpoint } from './checkpoint.js';
import { SNAPSHOT } from './kinds.js';
import { recheckStep } from './recheck/step.js';
import { scanStep } from './scan/step.js';
import { dropIndexes, finalizeStep } from './finalize.js';
import type { MarkStores } from './unfinished-marks.js';
import { DATABASE_LEASE } from './names.js';
import type { SnapshotSettings } from './settings.js';

export { DATABASE_LEASE } from './names.js';

type SnapshotPorts = Pick<Ports, 'clock' | 'redis' | 'encryptor' | 'signer' | 'store'> & MarkStores;

/** An older unfinished snapshot is not resumed: it would be out of date, and a new one is more useful. */
const STALE_MS = 3_600_000;

/** The run that takes a snapshot: read the database into parts, recheck all names, read the parts back, write the manifest. */
export function snapshotRun(ports: SnapshotPorts, settings: SnapshotSettings): RunDefinition {
  return {
    ...SNAPSHOT,
    lease: DATABASE_LEASE,
    mayResume: (run, now) => now - Date.parse(run.createdAt) <= STALE_MS,
    firstPhase: 'scan',
    phases: {
      scan: { type: 'serial', step: (attempt) => scanStep(ports, settingsOf(settings, attempt.run), attempt) },
      recheck: { type: 'serial', step: (attempt) => recheckStep(ports, settingsOf(settings, attempt.run), attempt) },
      check: checkPhase('seal', (run, task) => checkTask(ports, run, task)),
      seal: { type: 'serial', step: (attempt) => finalizeAndTidy(ports, settingsOf(settings, attempt.run), attempt) },
    },
  };
}

async function finalizeAndTidy(
  ports: SnapshotPorts,
  settings: SnapshotSettings,
  attempt: Attempt,
): Promise<StepOutcome> {
  const outcome = await finalizeStep(ports, settings, attempt);
  if (settings.purpose === 'backup' || isSafety(attempt.run)) await dropIndexes(ports.store, attempt.run.id);
  return outcome;
}

/**
 * Starts a snapshot; the run record stores the trigger. `safety`: taken before something other than our own restore replaces
 * the data.
 */
export function startSnapshot(
  engine: Engine,
  trigger: 'cron' | 'admin' | 'cli' | 'guard' | 'safety',
): Promise<Started> {
  const progress: Progress = { done: 0, total: null, unit: 'keys', bytes: 0 };
  return engine.start({ kind: 'snapshot', input: { trigger }, checkpoint: firstCheckpoint(), progress });
}

/** Read from the run record, which later attempts have as well. */
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
