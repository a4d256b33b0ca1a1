/** Unsigned 64-bit numbers in a buffer that grows. */
export interface Numbers {
  push(value: bigint): void;
  /** All of them, as a view on the buffer. */
  values(): BigUint64Array<ArrayBuffer>;
}

const FIRST_VALUES = 32;

export function numbers(): Numbers {
  let buffer = new BigUint64Array(FIRST_VALUES);
  let count = 0;
  return {
    push(value) {
      if (count === buffer.length) {
        const larger = new BigUint64Array(2 * count);
        larger.set(buffer);
        buffer = larger;
      }
      buffer[count++] = value;
    },
    values: () => buffer.subarray(0, count),
  };
}
