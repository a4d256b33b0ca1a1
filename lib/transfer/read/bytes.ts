import { cutShortFault } from '../fault.js';

/** Thrown by a parser that needs more bytes than the window has. */
class NeedMoreBytes extends Error {
  constructor(readonly bytes: number) {
    super('more bytes are needed');
  }
}

/** Bytes that are read from front to back; each method consumes the bytes that it returns. */
export class Window {
  buffer: Buffer = Buffer.alloc(0);
  at = 0;

  assertBytes(bytes: number): void {
    if (this.buffer.length - this.at < bytes) throw new NeedMoreBytes(this.at + bytes - this.buffer.length);
  }

  u8(): number {
    this.assertBytes(1);
    return this.buffer[this.at++] ?? 0;
  }

  u32be(): number {
    return this.bytes(4).readUInt32BE();
  }

  u64be(): bigint {
    return this.bytes(8).readBigUInt64BE();
  }

  u64le(): bigint {
    return this.bytes(8).readBigUInt64LE();
  }

  i64le(): bigint {
    return BigInt.asIntN(64, this.u64le());
  }

  u32le(): number {
    return this.bytes(4).readUInt32LE();
  }

  doubleLe(): number {
    return this.bytes(8).readDoubleLE();
  }

  /** Returns a view: copy the bytes to keep them beyond the next read. */
  bytes(length: number): Buffer {
    this.assertBytes(length);
    const value = this.buffer.subarray(this.at, this.at + length);
    this.at += length;
    return value;
  }

  /** The bytes up to `\r\n`, which is consumed as well. */
  untilCrlf(longest: number): Buffer {
    const end = this.buffer.indexOf('\r\n', this.at, 'latin1');
    if (end === -1 && this.buffer.length - this.at <= longest) throw new NeedMoreBytes(1);
    const value = this.buffer.subarray(this.at, end === -1 ? this.at + longest : end);
    this.at = end === -1 ? this.at + longest : end + 2;
    return value;
  }
}

/**
 * Reads a binary file in units: a parser gets the available bytes and is called again from the same place when it needs
 * more. Memory holds one unit and a chunk.
 */
export class ByteReader {
  private readonly window = new Window();
  private base = 0;
  private isEnded = false;

  /** `onBytes` gets every consumed byte, in order. */
  constructor(
    private readonly chunks: AsyncGenerator<Buffer>,
    private readonly onBytes: (bytes: Buffer) => void = () => undefined,
  ) {}

  /** Bytes consumed so far. */
  get offset(): number {
    return this.base + this.window.at;
  }

  /** Throws FileFault when the file ends before the unit does. */
  async read<T>(parse: (window: Window) => T): Promise<T> {
    const { window } = this;
    for (;;) {
      const from = window.at;
      try {
        return parse(window);
      } catch (error) {
        if (!(error instanceof NeedMoreBytes)) throw error;
        window.at = from;
        if (!(await this.fill(error.bytes)))
          throw cutShortFault(`byte ${this.base + window.buffer.length}`, 'it ends within a value');
      }
    }
  }

  async isAtEnd(): Promise<boolean> {
    return this.window.at === this.window.buffer.length && !(await this.fill(1));
  }

  /** Passes all consumed bytes to `onBytes` now. */
  flush(): void {
    const { window } = this;
    if (window.at === 0) return;
    this.onBytes(window.buffer.subarray(0, window.at));
    this.base += window.at;
    window.buffer = window.buffer.subarray(window.at);
    window.at = 0;
  }

  private async fill(bytes: number): Promise<boolean> {
    if (this.isEnded) return false;
    this.flush();
    const gathered = [this.window.buffer];
    for (let received = 0; received < bytes;) {
      const next = await this.chunks.next();
      if (next.done === true) {
        this.isEnded = true;
        this.window.buffer = Buffer.concat(gathered);
        return false;
      }
      gathered.push(next.value);
      received += next.value.length;
    }
    this.window.buffer = Buffer.concat(gathered);
    return true;
  }
}
