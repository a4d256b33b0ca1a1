import type { RedisPort, RedisReply } from '../../ports/redis.js';
import { readAtOnce, type Moment } from '../../redis/at-once.js';
import { isTooLarge, saysTooLarge } from '../../redis/halving.js';
import type { PagedKey } from '../checkpoint.js';
import { parseExpiry } from '../expiry-time.js';
import { decodeLine, encodeLine, lineHead, type RecordLine, type StreamValue } from '../record.js';
import { errorKind, isScriptDenied, NOT_ALLOWED } from './batch.js';
import { withFieldExpiry } from './field-expiry.js';
import { fingerprintOf, pageSource, type Page, type PageSource } from './page-source.js';
import { readStreamState, StreamMoved, StreamUnreadable } from './stream-state.js';

/** A key that keeps changing is begun again so many times; after that it is taken as it comes, and counted. */
const MAX_RESTARTS = 3;

const NO_REPLY: RedisReply = { error: 'no reply' };

export type PageNote =
  | { readonly kind: 'gone' }
  | { readonly kind: 'changed' }
  | { readonly kind: 'moved' }
  | { readonly kind: 'failed'; readonly reason: string };

export interface PageStep {
  /** The line to write; null when there is none. */
  readonly line: string | null;
  /** How to go on; null when the key is finished. */
  readonly next: PagedKey | null;
  readonly note: PageNote | null;
}

export function pagedKey(key: Buffer, type: PagedKey['type']): PagedKey {
  return {
    key: key.toString('base64'),
    type,
    position: null,
    line: 0,
    fingerprint: null,
    pageSize: pageSource(type)?.pageSize ?? 0,
    restarts: 0,
  };
}

/**
 * Reads the next page of a big key. Each page is read in one MULTI with the key's expiry and what tells whether the
 * value has moved; if it has, the lines so far are taken back and the key is begun again.
 */
export async function readPage(redis: RedisPort, state: PagedKey, fieldExpiry: boolean): Promise<PageStep> {
  const key = Buffer.from(state.key, 'base64');
  try {
    return await readAnyPage(redis, state, fieldExpiry);
  } catch (error) {
    if (!isScriptDenied(error, [{ key }])) throw error;
    await redis.pipeline([['EXISTS', 'soulcaster-backup:no-such-key']]);
    return giveUp(key, state, NOT_ALLOWED);
  }
}

async function readAnyPage(redis: RedisPort, state: PagedKey, fieldExpiry: boolean): Promise<PageStep> {
  const step = await readValues(redis, state);
  if (step.line === null || !fieldExpiry || state.type !== 'hash') return step;
  const key = Buffer.from(state.key, 'base64');
  if (decodeLine(step.line).void === true) return step;
  const outcome = await withFieldExpiry(redis, step.line);
  if (outcome.kind !== 'line') return giveUp(key, state, outcome);
  // All of its fields went: what is not there is no record.
  if (outcome.isEmpty && step.next === null && state.line === 0) return giveUp(key, state, { kind: 'gone' });
  return { ...step, line: outcome.line };
}

async function readValues(redis: RedisPort, state: PagedKey): Promise<PageStep> {
  const key = Buffer.from(state.key, 'base64');
  const source = pageSource(state.type);
  if (source === null) return giveUp(key, state, { kind: 'failed', reason: 'too large for one reply' });
  const moment = await requestPage(redis, key, source, state);
  if (moment === null) return smallerPage(key, state);
  const [page = NO_REPLY] = moment.values;
  const [expiry = NO_REPLY, ...marks] = moment.marks;
  if ('error' in expiry) return giveUp(key, state, { kind: 'failed', reason: errorKind(expiry.error) });
  if (expiry.value === -2) return giveUp(key, state, { kind: 'gone' });
  if ('error' in page) return pageFailed(key, state, page.error);
  const fingerprint = `${fingerprintOf(marks)} ${String(expiry.value)}`;
  const moved = moment.steady.includes(false) || (state.fingerprint !== null && state.fingerprint !== fingerprint);
  if (moved && state.restarts < MAX_RESTARTS) return startAgain(key, state);
  const parsed = source.parse(page.value, state.position, state.pageSize);
  // Of a key that is taken as it comes the first page's fingerprint stays, and with it the expiry.
  const current = state.fingerprint === null ? { ...state, fingerprint } : state;
  if (parsed.next === null && state.type === 'stream') return finishStream(redis, key, current, parsed);
  return advance(key, current, parsed);
}

async function requestPage(redis: RedisPort, key: Buffer, source: PageSource, state: PagedKey): Promise<Moment | null> {
  const page = source.page(key, state.position, state.pageSize);
  try {
    return await readAtOnce(redis, [page], [['PEXPIRETIME', key], ...source.fingerprint(key)]);
  } catch (error) {
    if (isTooLarge(error)) return null;
    throw error;
  }
}

function advance(key: Buffer, state: PagedKey, page: Page): PageStep {
  const last = page.next === null;
  const line = encodeLine({ ...head(key, state), ...numbering(state.line, last), v: page.value });
  if (!last) return { line, next: { ...state, position: page.next, line: state.line + 1 }, note: null };
  return { line, next: null, note: state.restarts > 0 ? { kind: 'changed' } : null };
}

/** All lines of a record bear the expiry of its first: it stands beside the hash in the fingerprint. */
function head(key: Buffer, { type, fingerprint }: PagedKey): Pick<RecordLine, 'k' | 't' | 'x'> {
  return lineHead(key, type, parseExpiry(Buffer.from(fingerprint?.split(' ')[1] ?? '')));
}

/** A value that fits on one line is written as any ordinary one. */
function numbering(line: number, last: boolean): Pick<RecordLine, 'i' | 'last'> {
  if (!last) return { i: line };
  return line === 0 ? {} : { i: line, last: true };
}

/** Adds to the last page what the stream has beside its entries; an entry that came in between begins it again. */
async function finishStream(redis: RedisPort, key: Buffer, current: PagedKey, page: Page): Promise<PageStep> {
  const { entries } = page.value as StreamValue;
  try {
    const { newest, state } = await readStreamState(redis, key);
    const moved = newest !== null && newest !== (entries.at(-1)?.[0] ?? current.position);
    if (moved && current.restarts < MAX_RESTARTS) return startAgain(key, current);
    return advance(key, current, { value: { entries, ...state }, next: null });
  } catch (error) {
    if (error instanceof StreamMoved) return giveUp(key, current, { kind: 'moved' });
    if (error instanceof StreamUnreadable) return giveUp(key, current, { kind: 'failed', reason: error.message });
    if (!isTooLarge(error)) throw error;
    return giveUp(key, current, { kind: 'failed', reason: 'what describes the stream is too large for a reply' });
  }
}

function smallerPage(key: Buffer, state: PagedKey): PageStep {
  if (state.pageSize <= 1)
    return giveUp(key, state, { kind: 'failed', reason: 'one element is too large for a reply' });
  return { line: null, next: { ...state, pageSize: Math.ceil(state.pageSize / 4) }, note: null };
}

function pageFailed(key: Buffer, state: PagedKey, error: string): PageStep {
  if (error.startsWith('WRONGTYPE')) return giveUp(key, state, { kind: 'moved' });
  if (saysTooLarge({ error })) return smallerPage(key, state);
  return giveUp(key, state, { kind: 'failed', reason: errorKind(error) });
}

function startAgain(key: Buffer, state: PagedKey): PageStep {
  const next = { ...state, position: null, line: 0, fingerprint: null, restarts: state.restarts + 1 };
  return { line: voidLine(key, state), next, note: null };
}

function giveUp(key: Buffer, state: PagedKey, note: PageNote): PageStep {
  return { line: voidLine(key, state), next: null, note };
}

/** Takes back the lines written so far; null when there are none. */
function voidLine(key: Buffer, state: PagedKey): string | null {
  if (state.line === 0) return null;
  const value = state.type === 'string' ? '' : state.type === 'stream' ? { entries: [] } : [];
  return encodeLine({ ...head(key, state), i: state.line, last: true, void: true, v: value });
}
