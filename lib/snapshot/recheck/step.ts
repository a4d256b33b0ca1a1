import { readServerMark, isSameServer, type ServerMark } from '../../redis/scan.js';
import type { Attempt, StepOutcome } from '../../runs/model.js';
import { addUsage, parseCheckpoint, type SnapshotCheckpoint } from '../checkpoint.js';
import { hashSet } from '../../redis/key-sets.js';
import { indexReader } from '../part-index.js';
import { openSink } from '../scan/sink.js';
import { restartForFieldExpiry } from '../scan/step.js';
import { progressOf, ScanWork, type ScanPorts } from '../scan/work.js';
import type { SnapshotSettings } from '../settings.js';
import { evaluateWalk, countGoneFirst } from './evaluate.js';
import { SAMPLE } from '../summary.js';
import { loadHashes, storeHashes, hashesName, openWalk, type Walk } from './walk.js';

/**
 * Reads the names of all keys again after the scan, and reads the keys that were not saved: keys that were added meanwhile,
 * and keys that SCAN missed because the server was restarted. Walks are repeated until one shows that no key is missing, or
 * the limit is reached; keys that are then unexplained are counted.
 */
export async function recheckStep(
  ports: ScanPorts,
  settings: SnapshotSettings,
  attempt: Attempt,
): Promise<StepOutcome> {
  let state = parseCheckpoint(attempt.run.checkpoint);
  for (;;) {
    if (state.names.walk === null) state = await beginWalk(ports, settings, state);
    const walk = await openWalk(ports, settings, attempt, state);
    const sink = openSink({ ...ports, snapshot: attempt.run.id, fence: attempt.fence, firstIndex: state.parts.length });
    state = await new ScanWork(ports, settings, attempt, sink, state, walk.source).run();
    if (state.cursor !== null || state.paged.length > 0) return handOver(attempt, walk, state);
    const ended = await endWalk(ports, settings, attempt, walk, state);
    state = ended.state;
    const progress = progressOf(state, state.parts);
    const hashes = ended.again ? null : await restartForFieldExpiry(ports, state);
    if (hashes !== null) return { to: 'phase', phase: 'scan', tasks: 0, checkpoint: hashes, progress };
    if (!ended.again) return { to: 'phase', phase: 'check', tasks: state.parts.length, checkpoint: state, progress };
    await attempt.save(state, progress);
    if (attempt.timeIsUp()) return { to: 'later', checkpoint: state, progress };
  }
}

/** Each walk counts unsupported and failed keys again, because it reads them again. */
async function beginWalk(
  ports: ScanPorts,
  { only }: SnapshotSettings,
  state: SnapshotCheckpoint,
): Promise<SnapshotCheckpoint> {
  const before = ports.redis.usage();
  const mark = await readServerMark(ports.redis);
  const none = { count: 0, keys: [] };
  const { expiring, unexplained } = state.names;
  // Costs a command for each key that is not saved, so only where it may explain keys that the previous walk could not.
  const readsExpiry = only !== undefined && unexplained > 0 && (mark.expires ?? 0) - expiring >= unexplained;
  return {
    ...state,
    cursor: '0',
    ledger: { ...state.ledger, unsupported: none, failed: none },
    spent: addUsage(state.spent, before, ports.redis.usage()),
    names: {
      ...state.names,
      types: {},
      walk: { mark, fromPart: state.parts.length, found: 0, named: 0, seenIn: null, expiring: readsExpiry ? 0 : null },
    },
  };
}

/** Saves the walk here: without new parts the engine would see no progress. */
async function handOver(attempt: Attempt, walk: Walk, state: SnapshotCheckpoint): Promise<StepOutcome> {
  const checkpoint = await walk.source.keep()(state);
  const progress = walk.source.progress(checkpoint, progressOf(checkpoint, checkpoint.parts));
  await attempt.save(checkpoint, progress);
  return { to: 'later', checkpoint, progress };
}

async function endWalk(
  ports: ScanPorts,
  { only }: SnapshotSettings,
  attempt: Attempt,
  { seen }: Walk,
  state: SnapshotCheckpoint,
): Promise<{ readonly again: boolean; readonly state: SnapshotCheckpoint }> {
  const { names } = state;
  if (names.walk === null) return { again: true, state };
  const spentBefore = ports.redis.usage();
  const after = await readServerMark(ports.redis);
  const spent = addUsage(state.spent, spentBefore, ports.redis.usage());
  const unseen = seen.unseen();
  const missedBefore = await loadHashes(ports.store, names.unseenIn);
  const isFirstPass = !names.scanned && names.walks === names.broken;
  let unseenTwice = 0;
  for (const hash of unseen) if (missedBefore.hasHash(hash)) unseenTwice += 1;
  const { again, unexplained, whole } = evaluateWalk({
    before: names.walk.mark,
    after,
    seen: seen.size,
    found: names.walk.found,
    isFirstPass,
    leftOut: only === undefined ? 0 : (names.walk.expiring ?? Math.max(0, seen.others.size - names.walk.found)),
    unseen: unseen.length,
    returned: missedBefore.size - unseenTwice,
    expiring: names.expiring,
    walks: names.walks + 1,
    broken: names.broken + (isSameServer(names.walk.mark, after) === false ? 1 : 0),
  });
  return {
    again,
    state: {
      ...state,
      spent,
      dbsize: { ...state.dbsize, after: after.keys },
      names: {
        ...names,
        walks: names.walks + 1,
        broken: names.broken + (whole === false ? 1 : 0),
        added: names.added + (isFirstPass ? 0 : countKeysFrom(state, names.walk.fromPart)),
        unexplained,
        vanished: countVanished(state, after),
        gone:
          whole === false
            ? names.gone
            : countGoneFirst(names.first, after, await countFirstUnseen(ports, attempt, state, unseen)),
        walk: null,
        unseenIn: again ? await storeHashes(ports.store, hashesName(attempt, `unseen-${names.walks}`), unseen) : null,
      },
    },
  };
}

/** Keys that SCAN returned and that were gone when they were read, minus those that expired in the whole server meanwhile. */
function countVanished({ ledger, names: { first } }: SnapshotCheckpoint, after: ServerMark): number | null {
  if (first === null || isSameServer(first, after) !== true || first.expired === null || after.expired === null)
    return null;
  return Math.max(0, ledger.expiredMeanwhile - (after.expired - first.expired));
}

/** How many of the keys that were read first a walk did not see; 0 where there are fewer keys than the sample. */
async function countFirstUnseen(
  { store }: ScanPorts,
  attempt: Attempt,
  { parts }: SnapshotCheckpoint,
  unseen: BigUint64Array,
): Promise<number> {
  if (parts.length === 0 || unseen.length * 2 < SAMPLE) return 0;
  const read = indexReader(store, attempt.run.id, parts);
  const sample = hashSet();
  // A part with large values has few keys, so several parts may be needed.
  for (let part = 0; part < parts.length && sample.size < SAMPLE; part++) {
    const { hashes } = await read(part);
    for (let at = 0; at < hashes.length && sample.size < SAMPLE; at += 2) sample.addHash(hashes[at] ?? 0n);
  }
  if (sample.size < SAMPLE) return 0;
  return unseen.reduce((sum, hash) => (sample.hasHash(hash) ? sum + 1 : sum), 0);
}

function countKeysFrom({ parts }: SnapshotCheckpoint, first: number): number {
  return parts.slice(first).reduce((sum, part) => sum + part.keys, 0);
}
