/** Jones' polynomial, reflected, as Redis has it. */
const POLYNOMIAL = 0x95ac9329ac4bc9b5n;
const LOW = new Uint32Array(256);
const HIGH = new Uint32Array(256);

for (let byte = 0; byte < 256; byte++) {
  let crc = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n;
  LOW[byte] = Number(crc & 0xffffffffn);
  HIGH[byte] = Number(crc >> 32n);
}

/** CRC-64 as RDB files end with it. In two halves, since 64 bits are no number. */
export class Crc64 {
  private low = 0;
  private high = 0;

  update(bytes: Uint8Array): void {
    let { low, high } = this;
    for (let at = 0; at < bytes.length; at++) {
      const index = (low ^ (bytes[at] as number)) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (LOW[index] as number);
      high = (high >>> 8) ^ (HIGH[index] as number);
    }
    this.low = low;
    this.high = high;
  }

  value(): bigint {
    return (BigInt(this.high >>> 0) << 32n) | BigInt(this.low >>> 0);
  }
}
