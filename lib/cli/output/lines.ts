import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { printable } from './redact.js';

/** Writes long output to the standard output line by line, and waits while the reader is slow. */
export interface LineOutput {
  /** Whether the reader has closed the output, as `head` does, so that the rest is not needed. */
  isClosed(): boolean;
  /** Escapes control characters. A returned promise has to be awaited. */
  write(line: string): Promise<void> | undefined;
  /** Writes bytes unescaped. */
  writeRaw(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

const CHUNK_LENGTH = 64 * 1024;

export function lineOutput(out: Writable = process.stdout): LineOutput {
  let waiting: string[] = [];
  let length = 0;
  const isClosed = (): boolean => out.destroyed || out.errored !== null;
  const send = async (chunk: string | Uint8Array): Promise<void> => {
    if (isClosed() || out.write(chunk)) return;
    // Only one of the two events is emitted; the other listener is removed.
    const done = new AbortController();
    await Promise.race([once(out, 'drain', { signal: done.signal }), once(out, 'close', { signal: done.signal })])
      .catch(() => undefined)
      .finally(() => done.abort());
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
      return length >= CHUNK_LENGTH ? flush() : undefined;
    },
    async writeRaw(bytes) {
      await flush();
      await send(bytes);
    },
    end: flush,
  };
}
