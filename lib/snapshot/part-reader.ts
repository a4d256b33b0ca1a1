import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

const NEWLINE = 0x0a;
/**
 * The longest line that this program writes is one reply of 10 MiB, whose bytes JSON may escape to six times as many.
 */
const LONGEST_LINE = 64 * 1024 * 1024;

/** A part holds more than it can hold: the rest of it is not unpacked. */
export class OversizedPart extends Error {}

/**
 * The lines of a compressed part, without their newlines, and every plain byte to `onBytes` on the way. Throws what
 * zlib throws when the part is no gzip or is cut short, and OversizedPart as soon as it unpacks to more than `plainBytes`,
 * the number in its manifest, or to a line that nobody has written: a small object must not fill the memory.
 */
export async function* partLines(
  compressed: Uint8Array,
  plainBytes: number,
  onBytes: (chunk: Buffer) => void = () => undefined,
): AsyncGenerator<string> {
  const gunzip = Readable.from([compressed]).pipe(createGunzip({ chunkSize: 256 * 1024 }));
  let open: Buffer[] = [];
  let openBytes = 0;
  let bytes = 0;
  for await (const chunk of gunzip as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > plainBytes) throw new OversizedPart(`more than ${plainBytes} bytes`);
    onBytes(chunk);
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      const end = chunk.subarray(from, at);
      yield open.length === 0 ? end.toString('utf8') : Buffer.concat([...open, end]).toString('utf8');
      open = [];
      openBytes = 0;
      from = at + 1;
    }
    if (from === chunk.length) continue;
    open.push(chunk.subarray(from));
    openBytes += chunk.length - from;
    if (openBytes > LONGEST_LINE) throw new OversizedPart('a line without an end');
  }
  if (open.length > 0) yield Buffer.concat(open).toString('utf8');
}
