import { pMapIterable } from 'p-map';
import { AppError } from '../../errors.js';
import type { Encryptor } from '../../ports/crypto.js';
import { readServerMark } from '../../redis/scan.js';
import type { Attempt, StepOutcome } from '../../runs/model.js';
import { addUsage, parseCheckpoint, type SnapshotCheckpoint } from '../checkpoint.js';
import { probeFieldExpiry } from '../read/field-expiry.js';
import type { SnapshotSettings } from '../settings.js';
import { sourceOf } from '../source.js';
import { endedRuns } from '../unfinished-marks.js';
import { loadPage, onlyOf, scanPages, type LoadedPage, type ScanPage } from './pages.js';
import { openSink } from './sink.js';
import { progressOf, ScanWork, type ScanPorts, type Source } from './work.js';

/**
 * One attempt at reading the database into parts. A later attempt may repeat the work since the last checkpoint: the
 * checkpoint holds the valid parts and the cursor after the last page in them.
 */
export async function scanStep(ports: ScanPorts, settings: SnapshotSettings, attempt: Attempt): Promise<StepOutcome> {
  const first = await beginSnapshot(ports, parseCheckpoint(attempt.run.checkpoint));
  const sink = openSink({ ...ports, snapshot: attempt.run.id, fence: attempt.fence, firstIndex: first.parts.length });
  const source = firstPass(ports, settings, first);
  const read = await new ScanWork(ports, settings, attempt, sink, first, source).run();
  const before = ports.redis.usage();
  const { keys } = await readServerMark(ports.redis);
  const spent = addUsage(read.spent, before, ports.redis.usage());
  const checkpoint = { ...read, spent, dbsize: { ...read.dbsize, after: keys } };
  const progress = progressOf(checkpoint, checkpoint.parts);
  if (checkpoint.cursor !== null || checkpoint.paged.length > 0) return { to: 'later', checkpoint, progress };
  return { to: 'phase', phase: 'recheck', tasks: 0, checkpoint, progress };
}

function firstPass(ports: ScanPorts, settings: SnapshotSettings, state: SnapshotCheckpoint): Source<LoadedPage> {
  const { inFlight, only } = settings;
  const fieldExpiry = state.fieldExpiry === 'read';
  return {
    pages: (cursor, { pageSize, shareOf }) =>
      pMapIterable(
        scanPages(ports.redis, cursor, pageSize, shareOf),
        (page) => loadPage(ports.redis, onlyOf(state.pass === 'all' ? page : hashesOf(page), only), fieldExpiry),
        { concurrency: inFlight, backpressure: inFlight * 2 },
      ),
    consumed: (next) => next,
    keep: () => (next) => Promise.resolve(next),
    isDue: () => false,
    progress: (_, saved) => saved,
  };
}

/** The hashes of a page, which may have fields with an expiry; keys of other types have been read. */
function hashesOf(page: ScanPage): ScanPage {
  return { ...page, keys: page.keys.filter(({ type }) => type === 'hash'), unsupported: [] };
}

/**
 * The checkpoint to read all hashes again, with their fields' expiry, if any hash has got a field with an expiry since the
 * first pass began, even if that field has expired by now; else null. Earlier records of hashes become void: for a hash that
 * is gone by then, it is unknown whether its fields would have expired.
 */
export async function restartForFieldExpiry(
  { redis }: ScanPorts,
  state: SnapshotCheckpoint,
): Promise<SnapshotCheckpoint | null> {
  if (state.fieldExpiry !== 'none') return null;
  const before = redis.usage();
  const { fieldExpiry, expired } = await probeFieldExpiry(redis);
  if (fieldExpiry === 'none' && expired === state.expiredFields) return null;
  const spent = addUsage(state.spent, before, redis.usage());
  return { ...state, spent, cursor: '0', pass: 'hashes', hashesFrom: state.parts.length, fieldExpiry: 'read' };
}

/** Reads the state of the server once, before the first key. Throws `wrong-key` if the snapshot could not be read back. */
export async function beginSnapshot(ports: ScanPorts, state: SnapshotCheckpoint): Promise<SnapshotCheckpoint> {
  if (state.window.from !== null) return state;
  await assertOpensOwn(ports.encryptor);
  const before = ports.redis.usage();
  const ended = await endedRuns(ports, sourceOf(ports.redis.host));
  const first = await readServerMark(ports.redis);
  const { fieldExpiry, expired: expiredFields } = await probeFieldExpiry(ports.redis);
  const spent = addUsage(state.spent, before, ports.redis.usage());
  const from = new Date(ports.clock.now()).toISOString();
  const names = { ...state.names, first };
  const dbsize = { before: first.keys, after: 0 };
  return { ...state, names, ended, spent, fieldExpiry, expiredFields, dbsize, window: { from, to: null } };
}

/** An identity that opens none of the new parts would fail the run only after the whole database is read. */
async function assertOpensOwn(encryptor: Encryptor): Promise<void> {
  if (!encryptor.canOpen) return;
  try {
    await encryptor.open(await encryptor.encrypt(Buffer.from('probe')), encryptor.suffix);
  } catch (cause) {
    if (!(cause instanceof AppError) || cause.code !== 'wrong-key') throw cause;
    const message =
      'The identity here matches none of BACKUP_AGE_RECIPIENTS, so a snapshot could not be read back: none was taken';
    throw new AppError('wrong-key', message, {
      hint: 'Set BACKUP_AGE_IDENTITY to the identity of one of BACKUP_AGE_RECIPIENTS; older identities may stay beside it. Then check the pair: `npx soulcaster-backup doctor --env-file .env`.',
      cause,
    });
  }
}
