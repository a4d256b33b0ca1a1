import type { RedisPort } from '../../ports/redis.js';
import type { PagedKey, SnapshotCheckpoint } from '../checkpoint.js';
import { addToLedger } from '../ledger.js';
import { type ReadOutcome, readBatch } from '../read/batch.js';
import { pagedKey, readPage, type PageNote } from '../read/paged.js';
import { type RecordType, isRecordType } from '../record.js';
import { hasExpiry, asBuffer } from '../sent-value.js';
import { type PageSizes, type LoadedPage, normalType } from './pages.js';
import type { LineRole, PartSink } from './sink.js';
import { addFieldExpiry } from '../read/field-expiry.js';

/** Writes a page's lines, updates the ledger, and adds keys that are too big for a page to `paged`. */
export async function consumePage(
  redis: RedisPort,
  sink: PartSink,
  state: SnapshotCheckpoint,
  page: LoadedPage,
  sizes: PageSizes,
): Promise<SnapshotCheckpoint> {
  let next: SnapshotCheckpoint = { ...state, cursor: page.next };
  let expiring = 0;
  for (const { key, type } of page.unsupported) next = await withUnsupported(sink, next, key, type);
  for (const [at, { key, type }] of page.keys.entries()) {
    const outcome = page.outcomes[at] ?? { kind: 'failed', reason: 'no reply' };
    if (outcome.kind === 'line') {
      if (hasExpiry(outcome.line)) expiring += 1;
      const before = sink.openBytes;
      const room = sink.write(outcome.line, { begins: key, type });
      sizes.note(type, sink.openBytes - before);
      if (room !== undefined) await room;
      if (outcome.changed !== undefined) next = await recordUnsteady(sink, next, key, outcome.changed);
    } else {
      next = await consumeKey(redis, sink, next, key, type, outcome);
    }
  }
  return { ...(expiring > 0 ? withExpiring(next, expiring) : next), bytesPerKey: sizes.bytesPerKey };
}

/** Reads and writes one page of the first key in `paged`. */
export async function consumePaged(
  redis: RedisPort,
  sink: PartSink,
  state: SnapshotCheckpoint,
): Promise<SnapshotCheckpoint> {
  const [current, ...rest] = state.paged;
  if (current === undefined) return state;
  const { line, next, note } = await readPage(redis, current, state.fieldExpiry === 'read');
  if (line !== null) await sink.write(line, roleOf(current, next, note));
  const begun = line !== null && current.line === 0 && hasExpiry(line);
  const counted = begun ? withExpiring(state, 1) : state;
  if (next !== null) return { ...counted, paged: [next, ...rest] };
  const done = { ...counted, paged: rest };
  const key = Buffer.from(current.key, 'base64');
  if (note?.kind === 'changed')
    return recordKey(sink, done, 'changedMeanwhile', key, 'changed while it was read page by page');
  return note === null ? done : consumeKey(redis, sink, done, key, current.type, note);
}

function withExpiring(state: SnapshotCheckpoint, more: number): SnapshotCheckpoint {
  return { ...state, names: { ...state.names, expiring: state.names.expiring + more } };
}

function roleOf(current: PagedKey, next: PagedKey | null, note: PageNote | null): LineRole {
  if (current.line === 0) return { begins: Buffer.from(current.key, 'base64'), type: current.type };
  const isRestart = next !== null && next.line === 0;
  const isGivenUp = note !== null && note.kind !== 'changed';
  return isRestart || isGivenUp ? 'voids' : 'continues';
}

async function consumeKey(
  redis: RedisPort,
  sink: PartSink,
  state: SnapshotCheckpoint,
  key: Buffer,
  type: RecordType,
  outcome: ReadOutcome,
): Promise<SnapshotCheckpoint> {
  switch (outcome.kind) {
    case 'line':
      await sink.write(outcome.line, { begins: key, type });
      const counted = hasExpiry(outcome.line) ? withExpiring(state, 1) : state;
      return outcome.changed === undefined ? counted : recordUnsteady(sink, counted, key, outcome.changed);
    case 'big':
      return { ...state, paged: [...state.paged, pagedKey(key, type)] };
    case 'gone':
      return { ...state, ledger: { ...state.ledger, expiredMeanwhile: state.ledger.expiredMeanwhile + 1 } };
    case 'failed':
      return recordKey(sink, state, 'failed', key, outcome.reason);
    case 'moved': {
      const again = await readMoved(redis, key, type, state.fieldExpiry === 'read');
      if (again.outcome.kind === 'unsupported') return withUnsupported(sink, state, key, again.outcome.type);
      const gone = again.outcome.kind === 'gone';
      const counted = gone ? state : await recordKey(sink, state, 'changedMeanwhile', key, 'changed its type');
      return consumeKey(redis, sink, counted, key, again.type, again.outcome);
    }
  }
}

function recordUnsteady(
  sink: PartSink,
  state: SnapshotCheckpoint,
  key: Buffer,
  what: 'expiry' | 'fields',
): Promise<SnapshotCheckpoint> {
  const reason = what === 'expiry' ? 'its expiry kept changing' : 'it kept getting new fields';
  return recordKey(sink, state, 'changedMeanwhile', key, reason);
}

function withUnsupported(
  sink: PartSink,
  state: SnapshotCheckpoint,
  key: Buffer,
  type: string,
): Promise<SnapshotCheckpoint> {
  return recordKey(sink, withType(state, type), 'unsupported', key, `type ${type}`);
}

function withType(state: SnapshotCheckpoint, type: string): SnapshotCheckpoint {
  const types = { ...state.names.types, [type]: (state.names.types[type] ?? 0) + 1 };
  return { ...state, names: { ...state.names, types } };
}

async function recordKey(
  sink: PartSink,
  state: SnapshotCheckpoint,
  list: 'changedMeanwhile' | 'unsupported' | 'failed',
  key: Buffer,
  reason: string,
): Promise<SnapshotCheckpoint> {
  return { ...state, ledger: await addToLedger(sink.encryptor, state.ledger, list, key, reason) };
}

const ATTEMPTS = 3;

interface Reread {
  readonly outcome: ReadOutcome | { readonly kind: 'unsupported'; readonly type: string };
  readonly type: RecordType;
}

/** Reads a key again by its current type, which is not the one that SCAN returned. */
async function readMoved(redis: RedisPort, key: Buffer, was: RecordType, fieldExpiry: boolean): Promise<Reread> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const [reply] = await redis.pipeline([['TYPE', key]]);
    if (reply === undefined || 'error' in reply) break;
    const type = normalType(asBuffer(reply.value).toString('latin1'));
    if (type === 'none') return { outcome: { kind: 'gone' }, type: was };
    if (!isRecordType(type)) return { outcome: { kind: 'unsupported', type }, type: was };
    if (type === 'stream') return { outcome: { kind: 'big' }, type };
    const again = [{ key, type }];
    const read = await readBatch(redis, again);
    const [outcome] = fieldExpiry ? await addFieldExpiry(redis, again, read) : read;
    if (outcome !== undefined && outcome.kind !== 'moved') return { outcome, type };
  }
  return { outcome: { kind: 'failed', reason: 'its type kept changing' }, type: was };
}
