import type { RedisArgument, RedisCommand, RedisReply } from '../../ports/redis.js';
import { toArgument, type ExpiryTime } from '../../snapshot/expiry-time.js';
import type { RecordType } from '../../snapshot/record.js';
import { errorKind } from '../../snapshot/read/batch.js';
import { commandError, stagedKeyError, valuesOf } from './errors.js';
import { NO_COUNTS, type WriteCounts, type Writer } from './model.js';

/** What tells a value that was put in place from another: `type` as TYPE says it (`none`: no key), and its size. */
interface KeyState {
  readonly type: string;
  /** Bytes of a string, else elements; 1 for a JSON document. */
  readonly size: number;
}

export interface Staged {
  readonly name: string;
  readonly key: RedisArgument;
  readonly type: RecordType;
  readonly expiresAt: ExpiryTime | undefined;
  readonly state: KeyState;
  /** Of key and value. */
  readonly bytes: number;
}

const SIZES = {
  string: 'STRLEN',
  hash: 'HLEN',
  list: 'LLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  stream: 'XLEN',
  json: 'EXISTS',
} as const satisfies Record<RecordType, string>;

export async function stateOf({ wire }: Writer, key: RedisArgument, type: RecordType): Promise<KeyState> {
  const [found, size] = await wire.pipeline([
    ['TYPE', key],
    [SIZES[type], key],
  ]);
  if (found === undefined || 'error' in found) throw commandError('TYPE', found?.error ?? '');
  // A key of another type has no size here, and is told by its type.
  const counted = size !== undefined && 'value' in size ? Number(size.value) : -1;
  return { type: Buffer.isBuffer(found.value) ? found.value.toString('latin1') : '', size: counted };
}

/** Renames a staged key to its final name, whole and with its expiry. */
export function publish(writer: Writer, staged: Staged): Promise<WriteCounts> {
  return writer.mode === 'missing' ? publishMissing(writer, staged) : publishOver(writer, staged);
}

async function publishOver(writer: Writer, staged: Staged): Promise<WriteCounts> {
  const { name, key } = staged;
  const commands: [RedisCommand, RedisCommand] = [['RENAME', name, key], expiryCommand(key, staged)];
  const [renamed, expiry] = await writer.wire.transaction(commands);
  if (!isRefused(renamed)) {
    valuesOf([expiry ?? { error: '' }], [commands[1]]);
    return written(staged);
  }
  return doneBefore(writer, staged, 'RENAME', renamed);
}

/** The expiry is set before: RENAMENX may leave a key alone that is none of ours. */
async function publishMissing(writer: Writer, staged: Staged): Promise<WriteCounts> {
  const { name, key } = staged;
  const [expiry, renamed] = await writer.wire.transaction([
    expiryCommand(name, staged),
    ['RENAMENX', name, key],
    ['UNLINK', name],
  ]);
  if (!isRefused(renamed)) {
    return renamed !== undefined && 'value' in renamed && renamed.value === 1
      ? written(staged)
      : { ...NO_COUNTS, kept: 1 };
  }
  const overBefore = staged.expiresAt !== undefined && expiry !== undefined && 'value' in expiry && expiry.value === 1;
  return overBefore ? { ...NO_COUNTS, expired: 1 } : doneBefore(writer, staged, 'RENAMENX', renamed);
}

function expiryCommand(key: RedisArgument, { expiresAt }: Staged): RedisCommand {
  return expiresAt === undefined ? ['PERSIST', key] : ['PEXPIREAT', key, toArgument(expiresAt)];
}

function isRefused(reply: RedisReply | undefined): reply is { error: string } {
  return reply !== undefined && 'error' in reply;
}

/** The staged key is not there any more: because an earlier try, whose reply was lost, has renamed it, or else lost. */
async function doneBefore(
  writer: Writer,
  staged: Staged,
  name: string,
  { error }: { readonly error: string },
): Promise<WriteCounts> {
  if (errorKind(error) !== 'ERR') throw commandError(name, error);
  const now = await stateOf(writer, staged.key, staged.type);
  if (now.type === staged.state.type && now.size === staged.state.size) return written(staged);
  throw stagedKeyError();
}

function written({ bytes }: Staged): WriteCounts {
  return { ...NO_COUNTS, written: 1, bytes };
}
