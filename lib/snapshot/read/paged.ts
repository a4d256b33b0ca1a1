import { isUtf8 } from 'node:buffer';
import { AppError } from '../../errors.js';
import type { RedisPort, RedisReply } from '../../ports/redis.js';
import { absentKey, runOne } from '../../redis/run-one.js';
import { readAtOnce, type Moment } from '../../redis/at-once.js';
import { isTooLarge, saysTooLarge } from '../../redis/halving.js';
import { runIdOf } from '../../redis/scan.js';
import type { PagedKey } from '../checkpoint.js';
import { parseExpiry, lineHead, type RecordLine, type StreamValue } from '../record.js';
import { hashSet, type HashSet } from '../../redis/key-sets.js';
import { fromText, type Text } from '../../soulcaster/text.js';
import { errorKind, isScriptDenied, NOT_ALLOWED } from './batch.js';
import { withFieldExpiry } from './field-expiry.js';
import { fingerprintOf, pageSource, type Page, type PageSource } from './page-source.js';
import { readStreamState, StreamMoved, StreamUnreadable } from './stream-state.js';

/** Restarts for a key that keeps changing; after that it is saved although it changes, and counted. */
const MAX_RESTARTS = 3;

const NO_REPLY: RedisReply = { error: 'no reply' };

export type PageNote =
  | { readonly kind: 'gone' }
  | { readonly kind: 'changed' }
  | { readonly kind: 'moved' }
  | { readonly kind: 'failed'; readonly reason: string };

interface PageStep {
  /** The line to write; null when there is none. */
  readonly line: RecordLine | null;
  /** The state for the next page; null when the key is finished. */
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
    server: null,
    digest: null,
    pageSize: pageSource(type)?.pageSize ?? 0,
    restarts: 0,
  };
}

/**
 * Reads the next page of a big key, in one MULTI with the key's expiry and a fingerprint that shows whether the value has
 * changed. If it has, the lines so far are voided and reading starts again.
 */
export async function readPage(redis: RedisPort, state: PagedKey, fieldExpiry: boolean): Promise<PageStep> {
  const key = Buffer.from(state.key, 'base64');
  try {
    return await readAnyPage(redis, state, fieldExpiry);
  } catch (error) {
    if (!isScriptDenied(error, [{ key }])) throw error;
    await runOne(redis, (sdk) => sdk.exists(absentKey()));
    return giveUp(key, state, NOT_ALLOWED);
  }
}

async function readAnyPage(redis: RedisPort, state: PagedKey, fieldExpiry: boolean): Promise<PageStep> {
  const step = await readValues(redis, state);
  if (step.line === null || !fieldExpiry || state.type !== 'hash') return step;
  const key = Buffer.from(state.key, 'base64');
  if (step.line.void === true) return step;
  const outcome = await withFieldExpiry(redis, step.line);
  if (outcome.kind !== 'line') return giveUp(key, state, outcome);
  // All fields are gone, so the key no longer exists.
  if (outcome.isEmpty && step.next === null && state.line === 0) return giveUp(key, state, { kind: 'gone' });
  return { ...step, line: outcome.line };
}

async function readValues(redis: RedisPort, state: PagedKey): Promise<PageStep> {
  const key = Buffer.from(state.key, 'base64');
  const source = pageSource(state.type);
  if (source === null) return giveUp(key, state, { kind: 'failed', reason: 'too large for one reply' });
  if (source.scans && state.position === null) state = { ...state, server: await runIdOf(redis) };
  if (state.type === 'string' && state.position === null) state = { ...state, digest: await digestOf(redis, key) };
  const moment = await requestPage(redis, key, source, state);
  if (moment === null) return shrinkPage(key, state);
  const [page = NO_REPLY] = moment.values;
  const [expiry = NO_REPLY, ...marks] = moment.marks;
  if ('error' in expiry) return giveUp(key, state, { kind: 'failed', reason: errorKind(expiry.error) });
  if (expiry.value === -2) return giveUp(key, state, { kind: 'gone' });
  if ('error' in page) return handlePageError(key, state, page.error);
  const fingerprint = `${fingerprintOf(marks)} ${String(expiry.value)}`;
  const moved = moment.steady.includes(false) || (state.fingerprint !== null && state.fingerprint !== fingerprint);
  if (moved && state.restarts < MAX_RESTARTS) return restart(key, state);
  const parsed = source.parse(page.value, state.position, state.pageSize);
  if (source.scans && !(await isWhole(redis, state, parsed, moved ? null : sizeIn(marks)))) {
    if (state.restarts < MAX_RESTARTS) return restart(key, state);
    return giveUp(key, state, { kind: 'failed', reason: 'the server was restarted while it was read' });
  }
  if (parsed.next === null && !moved && !(await isSameString(redis, key, state)) && state.restarts < MAX_RESTARTS)
    return restart(key, state);
  // The fingerprint of the first page, which contains the expiry, stays even if the key keeps changing.
  const current = state.fingerprint === null ? { ...state, fingerprint } : state;
  if (parsed.next === null && state.type === 'stream') return finishStream(redis, key, current, parsed);
  const step = advance(key, current, parsed);
  if (step.next !== null) carrySeen(state, step.next);
  return step;
}

/**
 * Elements in the pages of a key so far, where the server does not report its `run_id`. They are not part of a checkpoint: the
 * next attempt starts reading the key again.
 */
const seenIn = new WeakMap<PagedKey, HashSet>();

/**
 * Whether a page is not the last one, or no elements were missed because of a server restart. `size`: the number of elements;
 * null when it has changed, so that it proves nothing.
 */
async function isWhole(redis: RedisPort, state: PagedKey, page: Page, size: number | null): Promise<boolean> {
  const isOnly = state.position === null && page.next === null;
  if (isOnly) return true;
  if (state.server !== null) return page.next !== null || (await runIdOf(redis)) === state.server;
  if (size === null) return true;
  const seen = state.position === null ? hashSet() : seenIn.get(state);
  if (seen === undefined) return state.restarts === MAX_RESTARTS;
  seenIn.set(state, seen);
  for (const element of page.value as readonly (Text | readonly [Text, Text])[]) {
    seen.add(fromText(isPair(element) ? element[0] : element));
  }
  return page.next !== null || seen.size >= size;
}

const DIGEST = "#!lua flags=no-writes\nreturn redis.sha1hex(redis.call('GET', KEYS[1]))";

/** The SHA-1 of a string, computed by the server; null where scripts are not allowed, or the key's name is not UTF-8. */
async function digestOf(redis: RedisPort, key: Buffer): Promise<string | null> {
  if (!isUtf8(key)) return null;
  try {
    const [reply] = await redis.pipeline([['EVAL_RO', DIGEST, 1, key]]);
    return reply !== undefined && 'value' in reply && Buffer.isBuffer(reply.value)
      ? reply.value.toString('latin1')
      : null;
  } catch (error) {
    if (error instanceof AppError && !error.transient) return null;
    throw error;
  }
}

/** Whether a string is unchanged since before its first page: one of the same length may have replaced it. */
async function isSameString(redis: RedisPort, key: Buffer, { digest, position }: PagedKey): Promise<boolean> {
  return digest === null || position === null || (await digestOf(redis, key)) === digest;
}

function carrySeen(from: PagedKey, to: PagedKey): void {
  const seen = seenIn.get(from);
  if (seen !== undefined) seenIn.set(to, seen);
}

function isPair(element: Text | readonly [Text, Text]): element is readonly [Text, Text] {
  return Array.isArray(element);
}

/** HLEN, SCARD or ZCARD, the fingerprint of a value that is read by a cursor. */
function sizeIn([size]: readonly RedisReply[]): number | null {
  return size !== undefined && 'value' in size && typeof size.value === 'number' ? size.value : null;
}

async function requestPage(redis: RedisPort, key: Buffer, source: PageSource, state: PagedKey): Promise<Moment | null> {
  const page = source.page(key, state.position, state.pageSize);
  // Digests before and after the pages replace the fingerprint commands.
  const fingerprint = state.digest === null ? source.fingerprint(key) : [];
  try {
    return await readAtOnce(redis, [page], [['PEXPIRETIME', key], ...fingerprint]);
  } catch (error) {
    if (isTooLarge(error)) return null;
    throw error;
  }
}

function advance(key: Buffer, state: PagedKey, page: Page): PageStep {
  const last = page.next === null;
  const line = { ...head(key, state), ...numbering(state.line, last), v: page.value };
  if (!last) return { line, next: { ...state, position: page.next, line: state.line + 1 }, note: null };
  return { line, next: null, note: state.restarts > 0 ? { kind: 'changed' } : null };
}

/** All lines of a record have the expiry of the first, which follows the hash in the fingerprint. */
function head(key: Buffer, { type, fingerprint }: PagedKey): Pick<RecordLine, 'k' | 't' | 'x'> {
  return lineHead(key, type, parseExpiry(Buffer.from(fingerprint?.split(' ')[1] ?? '')));
}

/** A value that fits on one line is written without numbers, like any ordinary one. */
function numbering(line: number, last: boolean): Pick<RecordLine, 'i' | 'last'> {
  if (!last) return { i: line };
  return line === 0 ? {} : { i: line, last: true };
}

/** Adds a stream's groups and ids to its last page; starts again if an entry was added in between. */
async function finishStream(redis: RedisPort, key: Buffer, current: PagedKey, page: Page): Promise<PageStep> {
  const { entries } = page.value as StreamValue;
  try {
    const { newest, state } = await readStreamState(redis, key);
    const moved = newest !== null && newest !== (entries.at(-1)?.[0] ?? current.position);
    if (moved && current.restarts < MAX_RESTARTS) return restart(key, current);
    return advance(key, current, { value: { entries, ...state }, next: null });
  } catch (error) {
    if (error instanceof StreamMoved) return giveUp(key, current, { kind: 'moved' });
    if (error instanceof StreamUnreadable) return giveUp(key, current, { kind: 'failed', reason: error.message });
    if (!isTooLarge(error)) throw error;
    return giveUp(key, current, { kind: 'failed', reason: 'the description of the stream is too large for a reply' });
  }
}

function shrinkPage(key: Buffer, state: PagedKey): PageStep {
  if (state.pageSize <= 1)
    return giveUp(key, state, { kind: 'failed', reason: 'one element is too large for a reply' });
  const next = { ...state, pageSize: Math.ceil(state.pageSize / 4) };
  carrySeen(state, next);
  return { line: null, next, note: null };
}

function handlePageError(key: Buffer, state: PagedKey, error: string): PageStep {
  if (error.startsWith('WRONGTYPE')) return giveUp(key, state, { kind: 'moved' });
  if (saysTooLarge({ error })) return shrinkPage(key, state);
  return giveUp(key, state, { kind: 'failed', reason: errorKind(error) });
}

function restart(key: Buffer, state: PagedKey): PageStep {
  const next = {
    ...state,
    position: null,
    line: 0,
    fingerprint: null,
    server: null,
    digest: null,
    restarts: state.restarts + 1,
  };
  return { line: voidLine(key, state), next, note: null };
}

function giveUp(key: Buffer, state: PagedKey, note: PageNote): PageStep {
  return { line: voidLine(key, state), next: null, note };
}

/** The line that voids the lines written so far; null when there are none. */
function voidLine(key: Buffer, state: PagedKey): RecordLine | null {
  if (state.line === 0) return null;
  const value = state.type === 'string' ? '' : state.type === 'stream' ? { entries: [] } : [];
  return { ...head(key, state), i: state.line, last: true, void: true, v: value };
}
