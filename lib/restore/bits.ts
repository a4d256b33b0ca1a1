/** A sequence of bits as base64: bit n of the sequence is bit n % 8 of byte n / 8. */
export interface BitWriter {
  push(bit: boolean): void;
  base64(): string;
}

export function bitWriter(): BitWriter {
  const bytes: number[] = [];
  let count = 0;
  return {
    push(bit) {
      if (count % 8 === 0) bytes.push(0);
      if (bit) bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | (1 << (count % 8));
      count += 1;
    },
    base64: () => Buffer.from(bytes).toString('base64'),
  };
}

/** Reads bit n of a BitWriter's output; bits beyond its end are 0. */
export function bitReader(base64: string): (at: number) => boolean {
  const bytes = Buffer.from(base64, 'base64');
  return (at) => ((bytes[at >>> 3] ?? 0) & (1 << (at % 8))) !== 0;
}
