import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

export const NEWLINE = 0x0a;
/** The longest line that this program writes is one reply of 10 MiB, whose bytes JSON may escape to six times as many. */
const LONGEST_LINE = 64 * 1024 * 1024;

/** A part unpacks to more bytes than it may; the rest is not unpacked. */
export class OversizedPart extends Error {}

/**
 * Unpacks a part into pieces of whole lines, the last of which may lack its line end, and passes every plain byte to `onBytes`.
 * Throws the error of zlib when the part is no gzip or is cut short, and OversizedPart as soon as it unpacks to more than
 * `plainBytes`, the number in its manifest, or to an impossibly long line: a small object must not fill the memory.
 */
export async function* partPieces(
  compressed: Uint8Array,
  plainBytes: number,
  onBytes: (chunk: Buffer) => void = () => undefined,
): AsyncGenerator<Buffer> {
  const gunzip = Readable.from([compressed]).pipe(createGunzip({ chunkSize: 256 * 1024 }));
  let open: Buffer[] = [];
  let openBytes = 0;
  let bytes = 0;
  for await (const chunk of gunzip as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > plainBytes) throw new OversizedPart(`more than ${plainBytes} bytes`);
    onBytes(chunk);
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      const from = open.length === 0 ? 0 : chunk.indexOf(NEWLINE) + 1;
      if (from > 0) yield Buffer.concat([...open, chunk.subarray(0, from)]);
      if (end > from) yield chunk.subarray(from, end);
      open = [];
      openBytes = 0;
    }
    if (end === chunk.length) continue;
    open.push(chunk.subarray(end));
    openBytes += chunk.length - end;
    if (openBytes > LONGEST_LINE) throw new OversizedPart('a line without an end');
  }
  if (open.length > 0) yield Buffer.concat(open);
}

/** The lines of a compressed part, without their newlines; otherwise as `partPieces`. */
export async function* partLines(
  compressed: Uint8Array,
  plainBytes: number,
  onBytes?: (chunk: Buffer) => void,
): AsyncGenerator<string> {
  for await (const piece of partPieces(compressed, plainBytes, onBytes)) {
    for (let from = 0; from < piece.length;) {
      const found = piece.indexOf(NEWLINE, from);
      const to = found < 0 ? piece.length : found;
      yield piece.toString('utf8', from, to);
      from = to + 1;
    }
  }
}
