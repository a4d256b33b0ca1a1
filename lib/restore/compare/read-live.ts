import type { RedisPort } from '../../ports/redis.js';
import type { PagedKey } from '../../snapshot/checkpoint.js';
import type { ReadOutcome, TypedKey } from '../../snapshot/read/batch.js';
import { readValues } from '../../snapshot/read/field-expiry.js';
import { pagedKey, readPage } from '../../snapshot/read/paged.js';
import type { RecordLine } from '../../snapshot/record.js';
import { asBuffer, recordOf } from '../../snapshot/sent-value.js';
import { normalType } from '../../snapshot/scan/pages.js';
import { AppError, toAppError } from '../../errors.js';
import { contentBuilder, type Content, type ContentBuilder, type FieldRule } from './content.js';

/** The state of a key in the database. */
export type LiveState =
  | { readonly kind: 'content'; readonly content: Content }
  | { readonly kind: 'absent' }
  | { readonly kind: 'other-type'; readonly type: string }
  /** Of the expected type, but with an element that no reply can hold. */
  | { readonly kind: 'too-large' };

type Found = Extract<LiveState, { kind: 'content' }> | Exclude<ReadOutcome, { kind: 'line' | 'big' }>;

interface ReadOptions {
  readonly rule: FieldRule;
  readonly signal: AbortSignal;
}

const ATTEMPTS = 3;

/** Completes the result of a batch read for one key. A `big` value is read page by page. */
export async function readLive(
  redis: RedisPort,
  wanted: TypedKey,
  outcome: ReadOutcome,
  options: ReadOptions,
): Promise<LiveState> {
  let read = outcome;
  for (let attempt = 1; ; attempt++) {
    const found = await resolve(redis, wanted, read, options);
    if (found.kind === 'content') return found;
    const type = found.kind === 'gone' ? 'none' : await typeOf(redis, wanted.key);
    if (type === 'none') return { kind: 'absent' };
    if (type !== wanted.type) return { kind: 'other-type', type };
    if (found.kind === 'failed') return unreadable(wanted, found.reason);
    // The type changed and changed back between two reads.
    if (attempt === ATTEMPTS) return { kind: 'other-type', type };
    read = await readAgain(redis, wanted, options.rule.fieldExpiry);
  }
}

async function resolve(redis: RedisPort, wanted: TypedKey, outcome: ReadOutcome, options: ReadOptions): Promise<Found> {
  if (outcome.kind === 'big') return readPages(redis, wanted, options);
  if (outcome.kind !== 'line') return outcome;
  return { kind: 'content', content: contentBuilder(recordOf(outcome.line), options.rule).finish() };
}

async function readPages(redis: RedisPort, { key, type }: TypedKey, { rule, signal }: ReadOptions): Promise<Found> {
  let builder: ContentBuilder | null = null;
  for (let state: PagedKey | null = pagedKey(key, type); state !== null;) {
    stopIfAborted(signal);
    const { line, next, note } = await readPage(redis, state, rule.fieldExpiry);
    if (note !== null && note.kind !== 'changed') return note;
    if (line !== null) builder = addLine(builder, line, rule);
    state = next;
  }
  return builder === null ? { kind: 'gone' } : { kind: 'content', content: builder.finish() };
}

function addLine(builder: ContentBuilder | null, line: RecordLine, rule: FieldRule): ContentBuilder | null {
  if (line.void === true) return null;
  if (builder === null) return contentBuilder(line, rule);
  builder.add(line);
  return builder;
}

async function readAgain(redis: RedisPort, wanted: TypedKey, fieldExpiry: boolean): Promise<ReadOutcome> {
  if (wanted.type === 'stream') return { kind: 'big' };
  const [outcome] = await readValues(redis, [wanted], fieldExpiry);
  return outcome ?? { kind: 'gone' };
}

async function typeOf(redis: RedisPort, key: Buffer): Promise<string> {
  const [reply] = await redis.pipeline([['TYPE', key]]);
  if (reply === undefined || 'error' in reply) throw readRefusedError('TYPE');
  return normalType(asBuffer(reply.value).toString('latin1'));
}

function unreadable({ type }: TypedKey, reason: string): LiveState {
  // The record was read once, so a value that is too large now is a different one.
  if (reason.includes('too large')) return { kind: 'too-large' };
  throw readRefusedError(`a value of type ${type} (${reason})`);
}

/** `what` is a command, or a description without names or values from the database. */
export function readRefusedError(what: string): AppError {
  return new AppError('redis-command', `The database refuses to show ${what}`, {
    hint: 'Use the standard REST token, or let the ACL user read: see docs/operations.md.',
  });
}

export function stopIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw toAppError(signal.reason);
}
