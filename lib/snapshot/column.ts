/** Unsigned integers of one width in a list that grows. A list of boxed bigints would take several times the memory. */
interface Column<N extends number | bigint> {
  push(value: N): void;
  /** Little-endian, as every machine has them that this runs on. */
  base64(): string;
}

const FIRST_VALUES = 1024;

export function column32(): Column<number> {
  let values = new Uint32Array(FIRST_VALUES);
  let end = 0;
  return {
    push(value) {
      if (end === values.length) values = doubled(values, new Uint32Array(2 * end));
      values[end++] = value;
    },
    base64: () => base64Of(values.subarray(0, end)),
  };
}

export function column64(): Column<bigint> {
  let values = new BigUint64Array(FIRST_VALUES);
  let end = 0;
  return {
    push(value) {
      if (end === values.length) values = doubled(values, new BigUint64Array(2 * end));
      values[end++] = value;
    },
    base64: () => base64Of(values.subarray(0, end)),
  };
}

function doubled<A extends Uint32Array | BigUint64Array>(values: A, larger: A): A {
  larger.set(values as Uint32Array & BigUint64Array);
  return larger;
}

function base64Of({ buffer, byteLength, byteOffset }: Uint32Array | BigUint64Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
