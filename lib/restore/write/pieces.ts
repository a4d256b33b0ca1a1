import type { RedisCommand } from '../../ports/redis.js';
import { valuesOf } from './errors.js';
import { PAGE_BYTES, STAGED_TTL_MS } from './limits.js';
import type { Wire } from './wire.js';

/** Cuts bytes into pieces of `size` (4 or more) so that text stays text: half a character would have to travel as hex. */
export function* piecesOf(bytes: Buffer, size: number = PAGE_BYTES): Generator<Buffer> {
  for (let from = 0; from < bytes.length;) {
    const end = from + size >= bytes.length ? bytes.length : characterStart(bytes, from + size);
    yield bytes.subarray(from, end);
    from = end;
  }
}

/** The nearest place before `at`, or `at` itself, where no UTF-8 sequence is cut (they have 4 bytes at most). */
function characterStart(bytes: Buffer, at: number): number {
  for (let back = 0; back < 4; back++) {
    if (((bytes[at - back] ?? 0) & 0xc0) !== 0x80) return at - back;
  }
  return at;
}

/** Writes bytes into a staged string from an offset on; returns the offset behind them. */
export async function writePieces(wire: Wire, name: string, bytes: Buffer, offset: number): Promise<number> {
  let at = offset;
  for (const piece of piecesOf(bytes, wire.pageBytes)) {
    // Each has the expiry with it: a request that comes late may bring back a key that was renamed already.
    const commands: RedisCommand[] = [
      ['SETRANGE', name, at, piece],
      ['PEXPIRE', name, STAGED_TTL_MS],
    ];
    valuesOf(await wire.transaction(commands), commands);
    at += piece.length;
  }
  return at;
}
