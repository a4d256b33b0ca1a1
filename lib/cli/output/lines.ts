import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { printable } from './redact.js';

/** The standard output, line by line, for what is too long to be held: it waits while the reader is slow. */
export interface LineOutput {
  /** Whether the reader has gone, as `head` does: the rest need not be made. */
  isClosed(): boolean;
  /** What it returns, if anything, is to be awaited. Control characters are escaped. */
  write(line: string): Promise<void> | undefined;
  /** Bytes as they are. */
  writeRaw(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

const PIECE = 64 * 1024;

export function lineOutput(out: Writable = process.stdout): LineOutput {
  let waiting: string[] = [];
  let length = 0;
  const isClosed = (): boolean => out.destroyed || out.errored !== null;
  const send = async (chunk: string | Uint8Array): Promise<void> => {
    if (isClosed() || out.write(chunk)) return;
    // Only one of the two comes.
    const over = new AbortController();
    await Promise.race([once(out, 'drain', { signal: over.signal }), once(out, 'close', { signal: over.signal })])
      .catch(() => undefined)
      .finally(() => over.abort());
  };
  const flush = async (): Promise<void> => {
    const chunk = waiting.join('');
    [waiting, length] = [[], 0];
    if (chunk !== '') await send(chunk);
  };
  return {
    isClosed,
    write(line) {
      waiting.push(`${printable(line)}\n`);
      length += line.length;
      return length >= PIECE ? flush() : undefined;
    },
    async writeRaw(bytes) {
      await flush();
      await send(bytes);
    },
    end: flush,
  };
}
