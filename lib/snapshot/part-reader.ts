import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

const NEWLINE = 0x0a;

/**
 * The lines of a compressed part, without their newlines, and every plain byte to `onBytes` on the way. Throws what
 * zlib throws when the part is no gzip or is cut short.
 */
export async function* partLines(compressed: Uint8Array, onBytes: (chunk: Buffer) => void): AsyncGenerator<string> {
  const gunzip = Readable.from([compressed]).pipe(createGunzip({ chunkSize: 256 * 1024 }));
  let open: Buffer[] = [];
  for await (const chunk of gunzip as AsyncIterable<Buffer>) {
    onBytes(chunk);
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      const end = chunk.subarray(from, at);
      yield open.length === 0 ? end.toString('utf8') : Buffer.concat([...open, end]).toString('utf8');
      open = [];
      from = at + 1;
    }
    if (from < chunk.length) open.push(chunk.subarray(from));
  }
  if (open.length > 0) yield Buffer.concat(open).toString('utf8');
}
