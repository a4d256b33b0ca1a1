import type { RedisCommand } from '../../ports/redis.js';
import { valuesOf } from './errors.js';
import { PAGE_BYTES, STAGED_TTL_MS } from './limits.js';
import type { Wire } from './wire.js';

/** Cuts bytes into pieces of `size` (4 or more) without splitting characters: a split one would have to be sent as hex. */
export function* piecesOf(bytes: Buffer, size: number = PAGE_BYTES): Generator<Buffer> {
  for (let from = 0; from < bytes.length;) {
    const end = from + size >= bytes.length ? bytes.length : characterStart(bytes, from + size);
    yield bytes.subarray(from, end);
    from = end;
  }
}

/** The nearest position at or before `at` that splits no UTF-8 sequence (they have 4 bytes at most). */
function characterStart(bytes: Buffer, at: number): number {
  for (let back = 0; back < 4; back++) {
    if (((bytes[at - back] ?? 0) & 0xc0) !== 0x80) return at - back;
  }
  return at;
}

/** Writes bytes into a staged string at an offset; returns the offset after them. */
export async function writePieces(wire: Wire, name: string, bytes: Buffer, offset: number): Promise<number> {
  let at = offset;
  for (const piece of piecesOf(bytes, wire.pageBytes)) {
    // Each piece sets the expiry again: a delayed request may recreate a key that was already renamed.
    const commands: RedisCommand[] = [
      ['SETRANGE', name, at, piece],
      ['PEXPIRE', name, STAGED_TTL_MS],
    ];
    valuesOf(await wire.transaction(commands), commands);
    at += piece.length;
  }
  return at;
}
