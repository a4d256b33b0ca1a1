/** Unsigned integers of one width, little-endian, in a buffer that grows. A list of boxed bigints would take several times the memory. */
interface Column<N extends number | bigint> {
  push(value: N): void;
  base64(): string;
}

const FIRST_VALUES = 1024;

export function column32(): Column<number> {
  return column(4, (bytes, value, at) => bytes.writeUInt32LE(value, at));
}

export function column64(): Column<bigint> {
  return column(8, (bytes, value, at) => bytes.writeBigUInt64LE(value, at));
}

/** `write` returns the offset after what it has written, as Buffer's own methods do. */
function column<N extends number | bigint>(
  width: number,
  write: (bytes: Buffer, value: N, at: number) => number,
): Column<N> {
  let bytes = Buffer.allocUnsafeSlow(width * FIRST_VALUES);
  let end = 0;
  return {
    push(value) {
      if (end === bytes.length) {
        const larger = Buffer.allocUnsafeSlow(2 * bytes.length);
        bytes.copy(larger);
        bytes = larger;
      }
      end = write(bytes, value, end);
    },
    base64: () => bytes.toString('base64', 0, end),
  };
}
